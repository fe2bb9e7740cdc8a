"""Player that repeats the episodes of a recording."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_agent.core.environments import EnvFactory, env_id
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation, Reply
from vlm_agent.data.recordings import Recording, RecordingError, read_recordings, same_action


class RecordedPlayer:
    """Repeats episodes of a file that `python -m gym_cards.play NAME --record FILE` wrote.

    If the file holds all episodes of the evaluation, these are played; otherwise the first ones of
    the file, and the `seed` of the result is `None`, because other players played other episodes.
    Unfinished episodes are skipped, as in the window's score.

    Args:
        path: The file.

    Attributes:
        timed: False, because the seconds of repeating an episode are meaningless.

    Raises:
        OSError: If there is no such file.
        RecordingError: If a line is not a recorded episode.
    """

    timed = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._recordings = read_recordings(path)
        self._chosen: list[Recording] = []
        self._steps: dict[int, int] = {}

    def choose_seeds(
        self, env: str | EnvFactory, env_kwargs: Mapping[str, Any], seed: int, episodes: int
    ) -> Sequence[int]:
        """Chooses the recorded episodes to play, and returns their seeds.

        Raises:
            RecordingError: If the file holds no finished episode of this environment.
        """
        fitting = [r for r in self._recordings if _is_of(r, env, env_kwargs)]
        ended = [recording for recording in fitting if recording.ended and recording.steps]
        if not ended:
            found = sorted({f"{r.env} {dict(r.kwargs) or ''}".strip() for r in self._recordings})
            raise RecordingError(
                f"{self.path} holds no finished episode of {env} {dict(env_kwargs) or ''}, and "
                f"{len(fitting)} unfinished ones; its episodes are of: "
                f"{', '.join(found) or 'no environment'}"
            )
        if len(ended) < len(fitting):
            warnings.warn(
                f"{self.path}: skipping {len(fitting) - len(ended)} unfinished episodes of {env}",
                stacklevel=2,
            )
        by_seed = {recording.seed: recording for recording in reversed(ended)}
        wanted = episode_seeds("evaluation", seed, episodes)
        same = all(each in by_seed for each in wanted)
        self._chosen = [by_seed[each] for each in wanted] if same else ended[:episodes]
        return [recording.seed for recording in self._chosen]

    def seed(self, seed: int) -> None:
        """Starts an evaluation; the seed is unused because nothing is random."""
        self._steps = {}

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[Reply]:
        """Returns the recorded action of each episode's current step.

        Raises:
            RecordingError: If the environment shows or offers something other than was recorded.
        """
        replies = []
        for observation, episode in zip(observations, episodes, strict=True):
            recording, index = self._chosen[episode], self._steps.get(episode, 0)
            if index == len(recording.steps):
                raise RecordingError(
                    f"{recording.place}: the episode continues after its last recorded step; "
                    "record it again with this version of the environment"
                )
            place = f"{recording.place}, step {index + 1}"
            replies.append(Reply("", same_action(observation, recording.steps[index], place)))
            self._steps[episode] = index + 1
        return replies


def _is_of(recording: Recording, env: str | EnvFactory, env_kwargs: Mapping[str, Any]) -> bool:
    return (
        isinstance(env, str)
        and env_id(recording.env) == env_id(env)
        and dict(recording.kwargs) == dict(env_kwargs)
    )
