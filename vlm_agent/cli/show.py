"""The command `show`: the prompt and picture that a model gets, and an expert's reply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlm_agent.config.commands import ShowConfig
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import quiet_transformers
from vlm_agent.core.environments import make_env
from vlm_agent.core.expert import lesson
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation


def show(config: ShowConfig) -> None:
    """Prints the prompt, state and expert's reply, and saves the picture.

    Raises:
        OSError: If the picture cannot be written.
        ValueError: If the environment or the model cannot be made.
    """
    env = make_env(config.env, **config.env_kwargs)
    try:
        seed = episode_seeds("evaluation", config.seed, 1)[0]
        observation = observe(task_of(env), *env.reset(seed=seed))
        cot = config.cot
        settings = GenerationConfig(cot=cot).with_changes(
            prompt=config.prompt, system_prompt=config.system_prompt
        )
        prompt, picture = settings.prompt_builder.text(observation), observation.image
        if config.model is not None:
            prompt, picture, cot = _as_model_gets_it(config, observation)
        save_png(picture, config.picture)
        print(f"--- prompt ---\n{prompt}")
        print(f"--- picture ---\n{config.picture}, {picture.shape[1]} x {picture.shape[0]} pixels")
        print("--- state (a policy never sees it) ---")
        for name, value in observation.state.items():
            print(f"{name}: {value}" + ("   (given in the prompt)" * (name in observation.given)))
        if env.has_wrapper_attr("expert"):
            action, reason = lesson(env, observation)
            print("--- an expert's reply ---")
            print(build_reply(observation, action, reason, cot=cot))
    finally:
        env.close()


def _as_model_gets_it(
    config: ShowConfig, observation: Observation
) -> tuple[str, NDArray[np.uint8], bool]:
    """Returns the prompt in the chat template, the processed picture, and whether cot is on."""
    quiet_transformers()
    from vlm_agent.models.policy import VLMPolicy

    policy = VLMPolicy.load(
        str(config.model),
        cot=None if config.cot else False,
        prompt=config.prompt,
        system_prompt=config.system_prompt,
    )
    return policy.prompt(observation), policy.picture(observation), policy.cot


def save_png(picture: NDArray[np.uint8], path: str) -> None:
    """Saves a picture."""
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")
