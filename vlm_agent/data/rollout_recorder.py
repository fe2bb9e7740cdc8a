"""Recording episodes of training, rollout by rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vlm_agent.core.run_directory import TRAJECTORIES
from vlm_agent.core.types import Observation, Reply
from vlm_agent.data.trajectory_format import StepRecord
from vlm_agent.data.trajectory_writer import EpisodeRecorder, PlayedStep, TrajectoryWriter


@dataclass(frozen=True)
class EpisodeSegment:
    """Consecutive steps of one episode in a rollout.

    Attributes:
        place: Number that tells the episode from those that are played at the same time.
        steps: Indices into the rollout's flat lists.
        ended: Whether the last of them ended the episode.
        success: Whether the episode ended as a success.
        seed: Random seed of the episode's reset, if it had one.
        group: Number of the episode's group, if it has one.
    """

    place: int
    steps: Sequence[int]
    ended: bool
    success: bool
    seed: int | None = None
    group: int | None = None


class PlayedRollout(Protocol):
    """What a recorder needs of a rollout; flat lists have one entry per step."""

    def flat_observations(self) -> list[Observation]:
        """Returns what each reply answered."""
        ...

    def flat_replies(self) -> list[Reply]:
        """Returns what the policy wrote."""
        ...

    def flat_actions(self) -> list[int]:
        """Returns indices of the actions that were played."""
        ...

    def flat_rewards(self) -> list[float]:
        """Returns the environment's rewards minus penalties."""
        ...

    def stretches(self) -> Iterator[EpisodeSegment]:
        """Yields the rollout's parts of episodes, in the order in which they began."""
        ...


def played_steps(
    rollout: PlayedRollout, advantages: Sequence[float], illegal_penalty: float
) -> list[PlayedStep]:
    """Returns the steps of a rollout, in the order of its flat lists."""
    steps = []
    for observation, reply, action, reward, advantage in zip(
        rollout.flat_observations(),
        rollout.flat_replies(),
        rollout.flat_actions(),
        rollout.flat_rewards(),
        advantages,
        strict=True,
    ):
        penalty = illegal_penalty if reply.action is None else 0.0
        steps.append(PlayedStep(observation, reply, action, reward + penalty, penalty, advantage))
    return steps


@dataclass
class _OpenEpisode:
    trained_steps: int
    seed: int | None
    steps: list[StepRecord] = field(default_factory=list)


class RolloutRecorder:
    """Records the first episodes that begin in each rollout, including those that end later.

    Which episodes are recorded does not depend on their course.

    Args:
        recorder: Writes the episodes.
        episodes: Number of episodes per rollout.
        illegal_penalty: Penalty of a step whose reply names no action.
    """

    def __init__(self, recorder: EpisodeRecorder, episodes: int, illegal_penalty: float) -> None:
        self._recorder = recorder
        self._episodes = episodes
        self._penalty = illegal_penalty
        self._open: dict[int, _OpenEpisode] = {}
        self._playing: set[int] = set()
        self._number = 0

    def add(self, rollout: PlayedRollout, advantages: Sequence[float], trained_steps: int) -> None:
        """Records the episodes of a rollout.

        Args:
            rollout: What was played.
            advantages: One per step, in the order of the flat lists.
            trained_steps: Number of environment steps of training before the rollout.
        """
        steps = played_steps(rollout, advantages, self._penalty)
        remaining = self._episodes
        for segment in rollout.stretches():
            place = segment.place
            if place not in self._playing and remaining > 0:
                remaining -= 1
                self._open[place] = _OpenEpisode(trained_steps, segment.seed)
            self._playing.add(place)
            episode = self._open.get(place)
            if episode is not None:
                episode.steps += [self._recorder.step_record(steps[i]) for i in segment.steps]
            if segment.ended:
                self._playing.discard(place)
                self._open.pop(place, None)
                if episode is not None:
                    self._write(episode, segment)

    def state_dict(self) -> dict[str, Any]:
        """Returns the unfinished episodes and the position in the file."""
        return {
            "size": self._recorder.writer.size(),
            "number": self._number,
            "playing": sorted(self._playing),
            "open": {str(place): vars(episode) for place, episode in self._open.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resumes from the result of `state_dict`; episodes written after it are removed.

        Raises:
            ValueError: If the file of episodes is shorter than it was.
        """
        self._recorder.writer.cut(state["size"])
        self._number = state["number"]
        self._playing = set(state["playing"])
        self._open = {
            int(place): _OpenEpisode(**episode) for place, episode in state["open"].items()
        }

    def forget(self, places: Sequence[int]) -> None:
        """Drops unfinished episodes that will not be continued.

        Args:
            places: Numbers of the episodes, as in `EpisodeSegment.place`.
        """
        for place in places:
            self._open.pop(place, None)
            self._playing.discard(place)

    def _write(self, episode: _OpenEpisode, segment: EpisodeSegment) -> None:
        self._recorder.write_episode(
            episode.steps,
            number=self._number,
            seed=episode.seed,
            success=segment.success,
            trained_steps=episode.trained_steps,
            group=segment.group,
        )
        self._number += 1


@contextmanager
def record_rollouts(
    run: str,
    policy: Any,
    *,
    env: str,
    env_kwargs: Mapping[str, Any],
    episodes: int,
    critic: bool,
    illegal_penalty: float,
) -> Iterator[RolloutRecorder | None]:
    """Opens a recorder in the directory of a run.

    Args:
        run: The directory.
        policy: The policy that is trained.
        env: Id of the environment.
        env_kwargs: Keyword arguments of the environment.
        episodes: Number of episodes per rollout.
        critic: Whether a critic is trained.
        illegal_penalty: Penalty of a step whose reply names no action.

    Yields:
        The recorder, or `None` if `episodes` is 0.
    """
    if episodes == 0:
        yield None
        return
    with closing(TrajectoryWriter(Path(run) / TRAJECTORIES)) as writer:
        recorder = EpisodeRecorder(
            writer,
            policy,
            name=run,
            env=env,
            kwargs=env_kwargs,
            purpose="training",
            critic=critic,
        )
        yield RolloutRecorder(recorder, episodes, illegal_penalty)
