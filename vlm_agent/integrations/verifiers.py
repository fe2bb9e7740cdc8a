"""verifiers: a taskset of episodes, the environment that plays them, and a harness that chats.

A package for verifiers or its hub exports the three; examples/verifiers is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import httpx
import verifiers.v1 as vf
from pydantic import Field
from verifiers.v1.dialects.chat import message_to_wire
from verifiers.v1.errors import MODEL_TRANSPORT_ERROR_EXIT_CODE

from vlm_agent.core.parsing import read_reply
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.integrations.episode import Episode
from vlm_agent.integrations.pictures import chat_messages
from vlm_agent.integrations.suite import Suite

_OMITTED = "(an earlier picture)"


class GameData(vf.TaskData):
    """One episode: the environment, and what its reset is given."""

    env: str
    env_kwargs: dict[str, Any] = Field(default_factory=dict)
    seed: int
    options: dict[str, Any] | None = None


class GameTask(vf.Task[GameData]):
    """An episode as a task; the environment itself gives the reward."""

    @property
    def key(self) -> str:
        """The episode's name, which does not depend on its place in a run."""
        return str(self.data.id)


class GameTasksetConfig(vf.TasksetConfig):
    """Which episodes are played."""

    envs: list[str] = Field(default_factory=lambda: ["gym_cards/NumberLine-v0"])
    """Ids of environments; a package, such as gym_cards, stands for all that it registers."""
    split: Literal["train", "test", "games"] = "train"
    """Episodes of training, those of `vlm-agent eval`, or the games that environments list."""
    env_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the environments."""
    seed: int = 0
    """Random seed from which those of the episodes are derived."""


class GameTaskset(vf.Taskset[GameTask, GameTasksetConfig]):
    """Episodes of one or more environments, which take turns."""

    def load(self) -> Iterator[GameTask]:
        """Yields the tasks.

        Raises:
            ValueError: If an environment cannot be made, or has no such split.
        """
        config = self.config
        suite = Suite(config.envs, config.env_kwargs, seed=config.seed)
        splits = [suite.split(f"{env}:{config.split}") for env in suite.tasks]
        for index in range(max(len(split.seeds) for split in splits)):
            for split in splits:
                if index < len(split.seeds):
                    episode = suite.task(split.name, index)
                    data = GameData(
                        id=episode.id,
                        name=episode.id
                        if episode.game is None
                        else f"{episode.env} {episode.game}",
                        env=episode.env,
                        env_kwargs=suite.env_kwargs,
                        seed=episode.seed,
                        options=episode.options,
                    )
                    yield GameTask(data, config.task)


class GameHarnessConfig(vf.HarnessConfig):
    """How much of the conversation the model sees."""

    last_picture_only: bool = False
    """Leave out all pictures but the last; the text of earlier turns stays. Each turn is then a
    branch of the trace, because its context does not continue that of the turn before."""


class GameHarness(vf.Harness[GameHarnessConfig]):
    """Asks the model once a turn, in this process, with the conversation so far."""

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Sends the conversation to the model; the trace records its reply."""
        system, prompt = self.resolve_prompt(data)
        messages = [{"role": "system", "content": system}] if system else []
        if isinstance(prompt, str):
            messages.append({"role": "user", "content": prompt})
        elif prompt is not None:
            messages += [message_to_wire(message) for message in prompt]
        if self.config.last_picture_only:
            messages = last_picture_only(messages)
        try:
            async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
                answer = await client.post(
                    f"{endpoint}/chat/completions",
                    headers={"Authorization": f"Bearer {secret}"},
                    json={"model": ctx.model, "messages": messages},
                )
        except httpx.TransportError as error:
            return vf.ProgramResult(MODEL_TRANSPORT_ERROR_EXIT_CODE, "", str(error))
        # A limit that ends the run is an error here too; the trace tells them apart.
        return vf.ProgramResult(int(answer.is_error), "", answer.text if answer.is_error else "")


class GameEnvConfig(vf.EnvConfig):
    """Who plays, and how it is asked."""

    player: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    cot: bool = True
    """Have prompts ask for the state and reasons before the action."""


class GameEnv(vf.Env[GameEnvConfig]):
    """Plays one episode as a conversation: a picture and a prompt, a reply, the next picture.

    The trace's reward is the sum of the environment's rewards. `info["turns"]` holds the action,
    reward and validity of each turn; metrics are `success`, `illegal_rate`, `truncated`, `steps`.
    """

    async def run(self, task: GameTask, agents: vf.Agents) -> None:
        """Plays until the episode ends, or a limit of the agent."""
        data, builder = task.data, PromptBuilder(cot=self.config.cot)
        episode = Episode(data.env, data.env_kwargs)
        turns: list[dict[str, Any]] = []
        try:
            await asyncio.to_thread(episode.reset, data.seed, data.options)
            async with agents.player.interaction(task) as interaction:
                while not episode.over:
                    names = episode.observation.actions
                    segment = await interaction.turn(chat_messages(builder, episode.observation))
                    if segment.terminated:
                        break
                    reply = read_reply(segment.last_reply, names)
                    played = await asyncio.to_thread(episode.play_reply, reply)
                    turns.append(
                        {
                            "action": names[played],
                            "reward": episode.reward,
                            "action_is_valid": reply.action is not None,
                        }
                    )
                trace = interaction.trace
                trace.record_reward("episode_return", episode.total_reward)
                trace.record_metrics(
                    {
                        "success": episode.success,
                        "illegal_rate": sum(not turn["action_is_valid"] for turn in turns)
                        / max(len(turns), 1),
                        "truncated": episode.truncated,
                        "steps": len(turns),
                    }
                )
                trace.info["turns"] = turns
        finally:
            await asyncio.to_thread(episode.close)


def last_picture_only(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns messages of a chat with words in place of all pictures but the last."""
    places = [
        (number, place)
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for place, part in enumerate(message["content"])
        if part["type"] == "image_url"
    ]
    result = [dict(message) for message in messages]
    for number, place in places[:-1]:
        content: list[Mapping[str, Any]] = list(result[number]["content"])
        content[place] = {"type": "text", "text": _OMITTED}
        result[number]["content"] = content
    return result
