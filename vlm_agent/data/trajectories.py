"""Episodes as a policy played them -> a folder of JSON lines and PNG files, and back.

`episodes.jsonl` holds one line for each episode, written when the episode ends, so that a run that
is killed leaves whole episodes behind. Pictures lie in `pictures`, named by what they show: equal
pictures are one file, and every picture is on the disk before a line names it. Any JSON reader can
read the lines; docs/evaluation/recordings.md explains the fields.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.disk import cut, sync
from vlm_agent.core.json_lines import read_json_lines
from vlm_agent.core.parsing import state_fields
from vlm_agent.core.prompts import build_prompt
from vlm_agent.core.run_directory import TRAJECTORIES
from vlm_agent.core.types import Observation, Reply
from vlm_agent.evaluation.play import Step

FORMAT = "vlm-agent-episode"
VERSION = 1
EPISODES_FILE = "episodes.jsonl"
PICTURES = "pictures"


class StepRecord(TypedDict):
    """One step of an episode; docs/evaluation/recordings.md explains each field."""

    pictures: list[str]
    prompt: str
    actions: list[str]
    state: dict[str, str]
    given: list[str]
    reply: str
    read: dict[str, str]
    tokens: list[int]
    token_texts: list[str]
    log_probs: list[float] | None
    action_token: int
    parsed_action: int | None
    played_action: int
    reward: float
    penalty: float
    value: float | None
    advantage: float | None


class EpisodeRecord(TypedDict):
    """One line of `episodes.jsonl`; docs/evaluation/recordings.md explains the fields."""

    format: str
    version: int
    purpose: Literal["training", "evaluation"]
    policy: str
    env: str
    kwargs: dict[str, Any]
    number: int
    seed: int | None
    trained_steps: int | None
    success: bool
    total_reward: float
    length: int
    group: int | None
    steps: list[StepRecord]


class TrajectoryError(ValueError):
    """A folder of trajectories cannot be read."""


@dataclass(frozen=True)
class Played:
    """What was played in one step, beside what came of it.

    Attributes:
        observation: What the reply answered.
        reply: What the policy wrote.
        action: Index into the observation's actions of the action that was played.
        reward: The environment's own.
        penalty: What was taken from it, for learning, since the reply named no action.
        advantage: How much better than expected the step was; `None` outside of training.
    """

    observation: Observation
    reply: Reply
    action: int
    reward: float
    penalty: float = 0.0
    advantage: float | None = None


class TrajectoryWriter:
    """Writes episodes into a folder, after those that it holds.

    Args:
        folder: Where; made if need be.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / PICTURES).mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / EPISODES_FILE).open("ab")
        if self._file.tell() and not _ends_a_line(self.folder / EPISODES_FILE):
            self._file.write(b"\n")  # what a crash cut short must not swallow the next episode

    def write(self, episode: EpisodeRecord) -> None:
        """Adds an episode, whose pictures `save_picture` wrote."""
        self._file.write(json.dumps(episode, ensure_ascii=True).encode() + b"\n")
        self._file.flush()

    def save_picture(self, image: NDArray[np.uint8]) -> str:
        """Writes a picture unless it is there, and returns its path within the folder.

        Args:
            image: uint8 of shape (height, width, 3).
        """
        from PIL import Image

        shape = np.asarray(image.shape, np.uint32).tobytes()
        digest = hashlib.blake2b(shape + image.tobytes(), digest_size=12).hexdigest()
        name = f"{PICTURES}/{digest}.png"
        path = self.folder / name
        if not path.exists():
            # Renamed when it is whole, so that a crash leaves no half picture under its name.
            part = path.with_suffix(".part")
            Image.fromarray(image).save(part, format="PNG")
            os.replace(part, path)
        return name

    def size(self) -> int:
        """Bytes in the file of episodes, all of them on the disk."""
        return sync(self._file)

    def cut(self, size: int) -> None:
        """Removes the episodes that were written after the file had a size.

        Raises:
            ValueError: If it never had it.
        """
        cut(self._file, size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Recorder:
    """Turns what was played into episodes of a writer.

    Args:
        writer: Where to.
        policy: The policy that plays; a model's own tokens are told apart by its `encoder`.
        name: The policy's name.
        env: Id of the environment.
        kwargs: Its keyword arguments.
        purpose: What is being played for.
        critic: Whether values mean anything.
    """

    def __init__(
        self,
        writer: TrajectoryWriter,
        policy: Any,
        *,
        name: str,
        env: str,
        kwargs: Mapping[str, Any],
        purpose: Literal["training", "evaluation"],
        critic: bool = True,
    ) -> None:
        self.writer = writer
        self._encoder = getattr(policy, "encoder", None)
        settings = getattr(policy, "generation_config", None)
        self._cot = bool(getattr(settings, "cot", True))
        self._greedy = getattr(settings, "temperature", 1.0) == 0
        self._critic = critic
        self._about = {"policy": name, "env": env, "kwargs": dict(kwargs), "purpose": purpose}

    def step(self, played: Played) -> StepRecord:
        """One step as it is written; its pictures are saved."""
        observation, reply = played.observation, played.reply
        tokens = list(reply.tokens)
        texts = self._encoder.token_texts(tokens) if tokens and self._encoder is not None else []
        return {
            "pictures": [self.writer.save_picture(image) for image in observation.images],
            "prompt": build_prompt(observation, cot=self._cot),
            "actions": list(observation.actions),
            "state": dict(observation.state),
            "given": list(observation.given),
            "reply": reply.text,
            "read": _read(reply, observation),
            "tokens": tokens,
            "token_texts": texts,
            "log_probs": list(reply.log_probs) if tokens and not self._greedy else None,
            "action_token": reply.action_token,
            "parsed_action": reply.action,
            "played_action": int(played.action),
            "reward": float(played.reward),
            "penalty": float(played.penalty),
            "value": float(reply.value) if tokens and self._critic else None,
            "advantage": None if played.advantage is None else float(played.advantage),
        }

    def episode(
        self,
        steps: Sequence[StepRecord],
        *,
        number: int,
        seed: int | None,
        success: bool,
        trained_steps: int | None = None,
        group: int | None = None,
    ) -> None:
        """Writes an episode that ended.

        Args:
            steps: All of its steps.
            number: Of the episode, among all that were recorded or played.
            seed: What the environment was reset with; `None` if it went on by itself.
            success: Whether it ended well.
            trained_steps: Environment steps of training before the episode began.
            group: Number of the group that it is compared in.
        """
        record = {
            "format": FORMAT,
            "version": VERSION,
            **self._about,
            "number": number,
            "seed": seed,
            "trained_steps": trained_steps,
            "success": bool(success),
            "total_reward": sum(step["reward"] for step in steps),
            "length": len(steps),
            "group": group,
            "steps": list(steps),
        }
        self.writer.write(cast(EpisodeRecord, record))


class EvaluationRecorder:
    """Records the first episodes of an evaluation; to be called with every step.

    Args:
        recorder: What turns steps into episodes.
        most: How many of them to record, the first ones; all by default.
    """

    def __init__(self, recorder: Recorder, *, most: int | None = None) -> None:
        self._recorder = recorder
        self._most = math.inf if most is None else most
        self._open: dict[int, list[StepRecord]] = {}

    def __call__(self, step: Step) -> None:
        """Takes a step, and writes the episode if it is the last."""
        if step.episode >= self._most:
            return
        steps = self._open.setdefault(step.episode, [])
        played = Played(step.observation, step.reply, step.action, step.reward)
        steps.append(self._recorder.step(played))
        if step.last:
            self._recorder.episode(
                self._open.pop(step.episode),
                number=step.episode,
                seed=step.seed,
                success=step.is_success,
            )


@dataclass(frozen=True)
class EpisodeSegment:
    """Consecutive steps of one episode in a rollout.

    Attributes:
        place: What tells the episode from others that are played beside it.
        steps: Indices into the rollout's flat lists.
        ended: Whether the last of them ended the episode.
        success: Whether it ended well.
        seed: What the episode was reset with, where it was.
        group: Number of the episode's group, where it has one.
    """

    place: int
    steps: Sequence[int]
    ended: bool
    success: bool
    seed: int | None = None
    group: int | None = None


class PlayedRollout(Protocol):
    """What a recorder asks of a rollout; flat lists have one entry for each step."""

    def flat_observations(self) -> list[Observation]:
        """What each reply answered."""
        ...

    def flat_replies(self) -> list[Reply]:
        """What the policy wrote."""
        ...

    def flat_actions(self) -> list[int]:
        """Indices of the actions that were played."""
        ...

    def flat_rewards(self) -> list[float]:
        """What to learn from: the environment's rewards, less penalties."""
        ...

    def stretches(self) -> Iterator[EpisodeSegment]:
        """The rollout's parts of episodes, in the order in which they began."""
        ...


@dataclass
class _Open:
    trained_steps: int
    seed: int | None
    steps: list[StepRecord] = field(default_factory=list)


class RolloutRecorder:
    """Records the first episodes that begin in each rollout, also where they end in a later one.

    Which episodes those are does not depend on how they go on.

    Args:
        recorder: What turns steps into episodes.
        each: How many episodes of each rollout.
        illegal_penalty: What was taken from the reward of a step whose reply names no action.
    """

    def __init__(self, recorder: Recorder, each: int, illegal_penalty: float) -> None:
        self._recorder = recorder
        self._each = each
        self._penalty = illegal_penalty
        self._open: dict[int, _Open] = {}
        self._playing: set[int] = set()
        self._number = 0

    def add(self, rollout: PlayedRollout, advantages: Sequence[float], trained_steps: int) -> None:
        """Takes a rollout.

        Args:
            rollout: What was played.
            advantages: One for each step, in the order of the flat lists.
            trained_steps: Environment steps of training before the rollout.
        """
        observations, replies = rollout.flat_observations(), rollout.flat_replies()
        actions, rewards = rollout.flat_actions(), rollout.flat_rewards()
        left = self._each
        for stretch in rollout.stretches():
            place = stretch.place
            if place not in self._playing and left > 0:
                left -= 1
                self._open[place] = _Open(trained_steps, stretch.seed)
            self._playing.add(place)
            episode = self._open.get(place)
            if episode is not None:
                for i in stretch.steps:
                    penalty = self._penalty if replies[i].action is None else 0.0
                    reward = rewards[i] + penalty
                    played = Played(
                        observations[i], replies[i], actions[i], reward, penalty, advantages[i]
                    )
                    episode.steps.append(self._recorder.step(played))
            if stretch.ended:
                self._playing.discard(place)
                self._open.pop(place, None)
                if episode is not None:
                    self._write(episode, stretch)

    def state_dict(self) -> dict[str, Any]:
        """Episodes that go on, and how far the file has come."""
        return {
            "size": self._recorder.writer.size(),
            "number": self._number,
            "playing": sorted(self._playing),
            "open": {str(place): vars(episode) for place, episode in self._open.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; episodes written after it are removed.

        Raises:
            ValueError: If the file of episodes is shorter than it was.
        """
        self._recorder.writer.cut(state["size"])
        self._number = state["number"]
        self._playing = set(state["playing"])
        self._open = {int(place): _Open(**episode) for place, episode in state["open"].items()}

    def forget(self, places: Sequence[int]) -> None:
        """Leaves out the episodes at some places, which do not go on."""
        for place in places:
            self._open.pop(place, None)
            self._playing.discard(place)

    def _write(self, episode: _Open, stretch: EpisodeSegment) -> None:
        self._recorder.episode(
            episode.steps,
            number=self._number,
            seed=episode.seed,
            success=stretch.success,
            trained_steps=episode.trained_steps,
            group=stretch.group,
        )
        self._number += 1


class RecordedRun(Protocol):
    """The options of a trainer that recording asks for."""

    out: str
    env: str
    env_kwargs: dict[str, Any]
    record_episodes: int

    @property
    def has_critic(self) -> bool:
        """Whether values are learned."""
        ...


@contextmanager
def record_run(
    config: RecordedRun, policy: Any, illegal_penalty: float
) -> Iterator[RolloutRecorder | None]:
    """A recorder for the rollouts of a run, or `None` if its options ask for no episodes."""
    if config.record_episodes == 0:
        yield None
        return
    recorder = Recorder(
        TrajectoryWriter(Path(config.out) / TRAJECTORIES),
        policy,
        name=config.out,
        env=config.env,
        kwargs=config.env_kwargs,
        purpose="training",
        critic=config.has_critic,
    )
    with closing(recorder.writer):
        yield RolloutRecorder(recorder, config.record_episodes, illegal_penalty)


class RecordedEvaluation(Protocol):
    """The options of an evaluation that recording asks for."""

    env_kwargs: dict[str, Any]
    record: str | None
    record_episodes: int | None


@contextmanager
def record_evaluation(
    config: RecordedEvaluation, policy: Any, name: str, env: str
) -> Iterator[EvaluationRecorder | None]:
    """A recorder for one policy in one environment, or `None` if no folder is given."""
    if config.record is None:
        yield None
        return
    kwargs = config.env_kwargs
    with closing(TrajectoryWriter(config.record)) as writer:
        recorder = Recorder(writer, policy, name=name, env=env, kwargs=kwargs, purpose="evaluation")
        yield EvaluationRecorder(recorder, most=config.record_episodes)


def read_trajectories(folder: str | Path) -> Iterator[EpisodeRecord]:
    """The episodes of a folder, one after the other.

    A line that is no JSON, as a crash leaves it when it cuts one short, is left out with a warning.

    Args:
        folder: A folder that holds `episodes.jsonl`, or the directory of a run that recorded.

    Raises:
        OSError: If there is no such folder.
        TrajectoryError: If a line is something else than an episode of this format.
    """
    path = find_trajectories(folder) / EPISODES_FILE
    for number, value in read_json_lines(path):
        place = f"{path}:{number}"
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise TrajectoryError(
                f"{place} is no episode: expected a JSON object with format={FORMAT!r}"
            )
        if value.get("version") != VERSION:
            raise TrajectoryError(
                f"{place} has version {value.get('version')!r}, expected {VERSION}: it was written "
                "by another release"
            )
        missing = sorted(EpisodeRecord.__required_keys__ - set(value))
        steps = value.get("steps", [])
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise TrajectoryError(f"{place}: steps={steps!r:.80}: expected a list of objects")
        for step in steps:
            missing += sorted(StepRecord.__required_keys__ - set(step))
        if missing:
            raise TrajectoryError(f"{place} lacks {', '.join(dict.fromkeys(missing))}")
        yield cast(EpisodeRecord, value)


def find_trajectories(folder: str | Path) -> Path:
    """The folder that holds `episodes.jsonl`: the given one, or that of a run.

    Raises:
        FileNotFoundError: If neither does.
    """
    for place in (Path(folder), Path(folder) / TRAJECTORIES):
        if (place / EPISODES_FILE).is_file():
            return place
    raise FileNotFoundError(
        f"{folder} holds no {EPISODES_FILE}: record episodes with `vlm-agent eval --record DIR` or "
        "`vlm-agent ppo --record-episodes N`"
    )


def _read(reply: Reply, observation: Observation) -> dict[str, str]:
    """The state fields that a reply reads out, but for those that the prompt tells."""
    read = state_fields(reply.text)
    asked = (name for name in observation.state if name not in observation.given)
    return {name: read[name] for name in asked if name in read}


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
