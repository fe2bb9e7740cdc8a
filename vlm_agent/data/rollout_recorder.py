"""Recording episodes of training, rollout by rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.run_directory import TRAJECTORIES
from vlm_agent.data.trajectory_format import EpisodeRecord, StepRecord
from vlm_agent.data.trajectory_writer import EpisodeRecorder, PlayedStep, TrajectoryWriter
from vlm_agent.rollout.advantages import Floats
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout


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
        envs: The environments that episodes are of, if there are several.
    """

    def __init__(
        self, recorder: EpisodeRecorder, episodes: int, envs: Sequence[EnvSpec] = ()
    ) -> None:
        self._recorder = recorder
        self._envs = tuple(envs)
        self._episodes = episodes
        self._open: dict[int, _OpenEpisode] = {}
        self._playing: set[int] = set()
        self._number = 0

    def add(
        self, rollout: Rollout, advantages: Sequence[float] | Floats, trained_steps: int
    ) -> list[EpisodeRecord]:
        """Records the episodes of a rollout, and returns those that ended in it.

        Args:
            rollout: What was played.
            advantages: One for each step.
            trained_steps: Number of environment steps of training before the rollout.
        """
        remaining = self._episodes
        ended: list[EpisodeRecord] = []
        for segment in rollout.segments:
            place = segment.env_id
            if place not in self._playing and remaining > 0:
                remaining -= 1
                self._open[place] = _OpenEpisode(trained_steps, segment.seed)
            self._playing.add(place)
            episode = self._open.get(place)
            if episode is not None:
                for step in segment.steps:
                    played = PlayedStep(
                        rollout.observations[step],
                        rollout.replies[step],
                        rollout.actions[step],
                        float(rollout.rewards[step]),
                        float(rollout.penalties[step]),
                        float(advantages[step]),
                    )
                    episode.steps.append(self._recorder.step_record(played))
            if segment.done:
                self._playing.discard(place)
                self._open.pop(place, None)
                if episode is not None:
                    source = rollout.sources[segment.steps[0]]
                    ended.append(self._write(episode, segment, source))
        return ended

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

    def change(self, envs: Sequence[EnvSpec], places: Sequence[int]) -> None:
        """Tells that environments were changed.

        Args:
            envs: The environments from now on.
            places: Numbers of the episodes that will not be continued; see `forget`.
        """
        self._envs = tuple(envs)
        self.forget(places)

    def forget(self, places: Sequence[int]) -> None:
        """Drops unfinished episodes that will not be continued.

        Args:
            places: Numbers of the episodes, as in `EpisodeSegment.env_id`.
        """
        for place in places:
            self._open.pop(place, None)
            self._playing.discard(place)

    def _write(self, episode: _OpenEpisode, segment: EpisodeSegment, source: int) -> EpisodeRecord:
        spec = self._envs[source] if self._envs else None
        record = self._recorder.write_episode(
            episode.steps,
            number=self._number,
            seed=episode.seed,
            success=segment.is_success,
            trained_steps=episode.trained_steps,
            group=segment.group,
            env=None if spec is None else spec.name,
            kwargs=None if spec is None else spec.kwargs,
        )
        self._number += 1
        return record


@contextmanager
def record_rollouts(
    run: str,
    policy: Any,
    *,
    envs: Sequence[EnvSpec],
    episodes: int,
    critic: bool,
) -> Iterator[RolloutRecorder | None]:
    """Opens a recorder in the directory of a run.

    Args:
        run: The directory.
        policy: The policy that is trained.
        envs: The environments.
        episodes: Number of episodes per rollout.
        critic: Whether a critic is trained.

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
            env=envs[0].name,
            kwargs=envs[0].kwargs,
            purpose="training",
            critic=critic,
        )
        yield RolloutRecorder(recorder, episodes, envs)
