"""The command `vlm-agent eval`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlm_agent.cli.players import player_of
from vlm_agent.config.eval import EvalConfig
from vlm_agent.core.environments import make_env
from vlm_agent.evaluation.comparison import Watch, compare, progress_file
from vlm_agent.evaluation.play import Step, count_games
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.evaluation.recorder import record_evaluation
from vlm_agent.evaluation.tables import check_table_file, markdown_table, text_table
from vlm_agent.serving.api_model import ApiModel


def run_eval(config: EvalConfig) -> None:
    """Evaluates policies, prints the table, and writes the files that were asked for.

    Raises:
        ValueError: If a policy or an environment is unknown.
        OSError: If a file is missing, or cannot be written.
        ImportError: If a package that a policy needs is not installed.
    """
    from vlm_agent.evaluation.plots import check_picture_file, save_comparison

    policies = {name: player_of(name, config) for name in config.policy}
    for env in config.env:
        make_env(env, **config.env_kwargs).close()
    if config.plot is not None:
        check_picture_file(config.plot)
    for file in (config.markdown, config.plot):
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise FileNotFoundError(f"no directory for {file}: create it, or name another file")
    if config.markdown is not None:
        check_table_file(config.markdown)
    if config.json is not None and progress_file(config.json).is_file():
        print(f"found {progress_file(config.json)}: continuing the evaluations that it matches")
    evaluations: list[Evaluation] = []
    api_models: dict[str, ApiModel] = {}
    try:
        for evaluation in compare(
            policies,
            config.env,
            episodes=config.episodes,
            seed=config.seed,
            num_envs=config.num_envs,
            env_kwargs=config.env_kwargs,
            regret=config.regret,
            all_games=config.all_games,
            json=config.json,
            watch=_watch(config, api_models),
        ):
            evaluations.append(evaluation)
    finally:
        if evaluations:
            print(text_table(evaluations))
        for name, model in api_models.items():
            print(f"{name}: {model.describe_spending()}")
    if config.markdown is not None:
        Path(config.markdown).write_text(markdown_table(evaluations), encoding="utf-8")
    if config.plot is not None:
        save_comparison(evaluations, config.plot)


def _watch(config: EvalConfig, api_models: dict[str, ApiModel]) -> Watch:
    """Gives each evaluation a progress bar and a recorder, and collects the API models."""
    totals = {
        env: count_games(env, config.env_kwargs) if config.all_games else config.episodes
        for env in config.env
    }

    @contextmanager
    def watch(name: str, env: str, policy: Any, over: int) -> Iterator[Callable[[Step], None]]:
        if isinstance(policy, ApiModel):
            api_models[name] = policy
        with (
            tqdm(total=totals[env], initial=over, desc=f"{name} {env}") as progress,
            record_evaluation(
                config.record,
                policy,
                name=name,
                env=env,
                env_kwargs=config.env_kwargs,
                episodes=config.record_episodes,
            ) as recorder,
        ):

            def on_step(step: Step) -> None:
                if recorder is not None:
                    recorder(step)
                progress.update(step.last)

            yield on_step

    return watch
