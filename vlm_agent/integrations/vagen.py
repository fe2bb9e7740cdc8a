"""VAGEN: an asynchronous environment whose observations are text with pictures.

It has the methods that VAGEN calls on a `GymImageEnv`: `reset(seed)`, `step(action_str)`,
`system_prompt()` and `close()`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from vlm_agent.core.prompt_builder import (
    DEFAULT_PROMPT,
    PromptBuilder,
    resolve_prompt,
    resolve_system_prompt,
)
from vlm_agent.integrations.episode import Episode

_KEYS = {"env", "env_kwargs", "cot", "prompt", "system_prompt"}
_SYSTEM_PROMPT = "You see a picture, and play by answering as you are told."


class GymCards:
    """An environment for VAGEN's registry.

    Args:
        env_config: The environment's part of VAGEN's configuration file: `env`, its id;
            `env_kwargs`, its keyword arguments; `cot`, whether replies read out the state and
            reason before the action, which is the default; `prompt`, a template file or
            MODULE:FUNCTION instead of the built-in prompt; `system_prompt`, a text or file.

    Raises:
        ValueError: If `env` is missing, or there are unknown keys.
    """

    def __init__(self, env_config: dict[str, Any]) -> None:
        unknown = sorted(set(env_config) - _KEYS)
        if unknown or "env" not in env_config:
            raise ValueError(
                f"env_config={env_config!r}: expected env, such as 'gym_cards/NumberLine-v0', and "
                "optionally env_kwargs, cot, prompt and system_prompt"
            )
        prompt = resolve_prompt(env_config.get("prompt", DEFAULT_PROMPT))
        self._builder = PromptBuilder(prompt, cot=bool(env_config.get("cot", True)))
        self._system_prompt = resolve_system_prompt(env_config.get("system_prompt", _SYSTEM_PROMPT))
        self._episode = Episode(env_config["env"], env_config.get("env_kwargs"))

    async def system_prompt(self) -> dict[str, Any]:
        """Returns the system prompt; the rules are in each observation."""
        return {"obs_str": self._system_prompt}

    async def reset(self, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode, and returns its observation and info."""
        await asyncio.to_thread(self._episode.reset, seed)
        return self._observe(), {"success": self._episode.success}

    async def step(self, action_str: str) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        """Plays the action that a reply names, or a random legal one if it names none.

        Args:
            action_str: The model's reply.

        Returns:
            Observation, reward, whether the episode has ended, and an info with `success`,
            `truncated`, and `format_correct`, which is whether the reply named an action.

        Raises:
            ValueError: If the episode has ended already.
        """
        valid = await asyncio.to_thread(self._episode.answer, action_str)
        episode = self._episode
        info = {
            "success": episode.success,
            "truncated": episode.truncated,
            "format_correct": valid,
            "metrics": {
                "turn_metrics": {"action_is_valid": valid},
                "traj_metrics": {"success": episode.success},
            },
        }
        return self._observe(), episode.reward, episode.over, info

    async def close(self) -> None:
        """Closes the environment."""
        await asyncio.to_thread(self._episode.close)

    def _observe(self) -> dict[str, Any]:
        from PIL import Image

        observation = self._episode.observation
        return {
            "obs_str": f"<image>\n{self._builder.text(observation)}",
            "multi_modal_input": {"<image>": [Image.fromarray(observation.image)]},
        }
