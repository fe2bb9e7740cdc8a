"""SkyRL: an environment for skyrl-gym, whose rows name episodes by their seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.prompts import texts_of
from vlm_agent.integrations.episode import Episode
from vlm_agent.integrations.pictures import chat_messages

Messages = list[dict[str, Any]]


class GameTextEnv(BaseTextEnv):
    """Plays one episode as a conversation.

    Args:
        env_config: Configuration of this environment in SkyRL: `env`, its id; optionally
            `env_kwargs`, its keyword arguments; `cot`, whether replies read out the state and
            reason before the action, which is the default; `pictures`, whether messages hold
            pictures as data URLs, which needs a generator that takes them. By default they hold
            the state in words.
        extras: The other columns of the row: `seed`, the random seed of the episode.

    Raises:
        ValueError: If `env` or `seed` is missing.
    """

    def __init__(self, env_config: Mapping[str, Any], extras: Mapping[str, Any]) -> None:
        super().__init__()
        if "env" not in env_config or "seed" not in extras:
            raise ValueError(
                f"env_config={dict(env_config)}, extras={sorted(extras)}: expected env, such as "
                "'gym_cards/NumberLine-v0', in the configuration, and a column seed in the data"
            )
        self._episode = Episode(env_config["env"], env_config.get("env_kwargs"))
        self._builder = PromptBuilder(cot=bool(env_config.get("cot", True)))
        self._pictures = bool(env_config.get("pictures", False))
        self._seed = int(extras["seed"])
        self._illegal = 0

    def init(self, prompt: Messages) -> tuple[Messages, dict[str, Any]]:
        """Starts the episode; returns the row's prompt, followed by the first observation."""
        self._episode.reset(self._seed)
        return [*prompt, *self._observe()], {}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Plays the action that a reply names, or a random legal one if it names none.

        Returns:
            The next observation as messages, the reward, whether the episode has ended, and as
            metadata `success` and `action_is_valid`.

        Raises:
            ValueError: If the episode has ended already.
        """
        valid = self._episode.answer(action)
        self.turns += 1
        self._illegal += not valid
        return BaseTextEnvStepOutput(
            observations=[] if self._episode.over else self._observe(),
            reward=self._episode.reward,
            done=self._episode.over,
            metadata={"success": self._episode.success, "action_is_valid": valid},
        )

    def get_metrics(self) -> dict[str, float]:
        """Returns success, number of steps, and share of replies without an action."""
        return {
            "success": float(self._episode.success),
            "steps": float(self.turns),
            "illegal_rate": self._illegal / max(self.turns, 1),
        }

    def close(self) -> None:
        """Closes the environment."""
        self._episode.close()

    def _observe(self) -> Messages:
        observation = self._episode.observation
        if self._pictures:
            return chat_messages(self._builder, observation)
        messages = self._builder.messages(observation)
        roles = [message["role"] for message in messages]
        result = [
            {"role": role, "content": text}
            for role, text in zip(roles, texts_of(messages), strict=True)
        ]
        shown = [f"The {name} is: {value}" for name, value in observation.unsaid.items()]
        result[-1]["content"] = "\n".join([*shown, result[-1]["content"]])
        return result
