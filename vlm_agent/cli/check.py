"""The command `check`: what is wrong with an environment, and what an agent will be given."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_agent.cli.show import save_png
from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.commands import CheckConfig
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.types import Observation
from vlm_agent.evaluation.check import CheckResult, check_environment


def check(words: Sequence[str]) -> int:
    """Checks an environment; returns the exit status, 1 if anything is wrong."""
    parser = OptionParser(CheckConfig, "vlm-agent check")
    options, _ = parser.parse(words)
    config = parser.build(options)
    result = check_environment(
        config.env, config.env_kwargs, episodes=config.episodes, seed=config.seed
    )
    if result.observation is not None:
        _show_observation(config, result.observation)
    _show_players(result)
    for note in result.notes:
        print(f"note: {note}")
    if not result.faults:
        print(f"{config.env}: no faults")
        return 0
    print(f"{config.env}: {len(result.faults)} fault{'s' * (len(result.faults) > 1)}")
    for number, fault in enumerate(result.faults, 1):
        print(f"{number:3}. {fault}")
    return 1


def _show_observation(config: CheckConfig, observation: Observation) -> None:
    settings = GenerationConfig(cot=config.cot).with_changes(
        prompt=config.prompt, system_prompt=config.system_prompt
    )
    height, width, _ = observation.image.shape
    print(f"--- prompt ---\n{settings.prompt_builder.text(observation)}")
    print(f"--- picture ---\n{width} x {height} pixels", end="")
    if config.picture is not None:
        save_png(observation.image, config.picture)
        print(f", saved in {config.picture}", end="")
    print(f"\n--- {len(observation.actions)} actions ---")
    print(", ".join(observation.actions))
    print("--- state (a policy never sees it) ---")
    for name, value in observation.state.items():
        print(f"{name}: {value}" + ("   (given in the prompt)" * (name in observation.given)))


def _show_players(result: CheckResult) -> None:
    print("--- players ---")
    for each in result.players:
        print(
            f"{each.name:<11} {each.wins} of {each.episodes} episodes won, {each.steps} steps, "
            f"mean return {each.mean_return:.3g}"
        )
    if result.steps_per_second is not None:
        print(f"{result.steps_per_second:,.0f} steps per second")
