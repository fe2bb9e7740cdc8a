"""The command `show`: the prompt and picture that a model gets, and an expert's reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vlm_agent.config.commands import ShowConfig
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import quiet_transformers
from vlm_agent.core.environments import make_env
from vlm_agent.core.expert import lesson
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Reply
from vlm_agent.rollout.episode_runner import EpisodeRunner

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy


def show(config: ShowConfig) -> None:
    """Prints the prompt, state and expert's reply, and saves the picture.

    Raises:
        OSError: If the picture cannot be written.
        ValueError: If the environment or the model cannot be made.
    """
    policy = None if config.model is None else _policy(config)
    settings = (
        GenerationConfig(cot=config.cot).with_changes(**_changes(config))
        if policy is None
        else policy.generation_config
    )
    env = make_env(config.env, **config.env_kwargs)
    try:
        fit = None if policy is None else policy.fit_history
        runner = EpisodeRunner(env, settings.history_length, fit)
        observation = runner.reset(episode_seeds("evaluation", config.seed, 1)[0])
        reply = _reply(runner, cot=settings.cot)
        for _ in range(settings.history_length):
            if reply is None or runner.step(reply, cast(int, reply.action)).done:
                break
            observation, reply = runner.observation, _reply(runner, cot=settings.cot)
        prompt, picture = settings.prompt_builder.text(observation), observation.image
        if policy is not None:
            prompt, picture = policy.prompt(observation), policy.picture(observation)
        save_png(picture, config.picture)
        print(f"--- prompt ---\n{prompt}")
        print(f"--- picture ---\n{config.picture}, {picture.shape[1]} x {picture.shape[0]} pixels")
        print("--- state (a policy never sees it) ---")
        for name, value in observation.state.items():
            print(f"{name}: {value}" + ("   (given in the prompt)" * (name in observation.given)))
        if reply is not None:
            print("--- an expert's reply ---")
            print(reply.text)
    finally:
        env.close()


def _reply(runner: EpisodeRunner, *, cot: bool) -> Reply | None:
    """Returns an expert's reply to the current observation; `None` without an expert."""
    if not runner.env.has_wrapper_attr("expert"):
        return None
    action, reason = lesson(runner.env, runner.observation)
    return Reply(build_reply(runner.observation, action, reason, cot=cot), action)


def _changes(config: ShowConfig) -> dict[str, Any]:
    return {
        "prompt": config.prompt,
        "system_prompt": config.system_prompt,
        "history": config.history,
        "history_length": config.history_length,
    }


def _policy(config: ShowConfig) -> VLMPolicy:
    """Returns the policy that the prompt is shown of."""
    quiet_transformers()
    from vlm_agent.models.policy import VLMPolicy

    cot = None if config.cot else False
    return VLMPolicy.load(str(config.model), cot=cot, **_changes(config))


def save_png(picture: NDArray[np.uint8], path: str) -> None:
    """Saves a picture."""
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")
