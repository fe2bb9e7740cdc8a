"""A person's recording as a player: it plays the recorded episodes as they were played."""

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
    """Plays episodes of a file again, which `python -m gym_cards.play NAME --record FILE` wrote.

    It plays the evaluation's own episodes where the file holds them all, and else the first ones
    of the file: then the record's `seed` is `None`, since other players played others. Episodes
    that were broken off are left out, as they are of the window's score.

    Args:
        path: The file.

    Attributes:
        timed: That the seconds of playing it again mean nothing.

    Raises:
        OSError: If there is no such file.
        RecordingError: If a line is something else than an episode.
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
        """The seeds of the recorded episodes to play, and remembers which those are.

        Raises:
            RecordingError: If the file holds none of this environment that was played to its end.
        """
        fitting = [r for r in self._recordings if _is_of(r, env, env_kwargs)]
        ended = [recording for recording in fitting if recording.ended and recording.steps]
        if not ended:
            found = sorted({f"{r.env} {dict(r.kwargs) or ''}".strip() for r in self._recordings})
            raise RecordingError(
                f"{self.path} holds no episode of {env} {dict(env_kwargs) or ''} that was played "
                f"to its end, and {len(fitting)} that were broken off; its episodes are of: "
                f"{', '.join(found) or 'nothing'}"
            )
        if len(ended) < len(fitting):
            warnings.warn(
                f"{self.path}: {len(fitting) - len(ended)} episodes of {env} were broken off, and "
                "are left out",
                stacklevel=2,
            )
        by_seed = {recording.seed: recording for recording in reversed(ended)}
        wanted = episode_seeds("evaluation", seed, episodes)
        same = all(each in by_seed for each in wanted)
        self._chosen = [by_seed[each] for each in wanted] if same else ended[:episodes]
        return [recording.seed for recording in self._chosen]

    def seed(self, seed: int) -> None:
        """Begins an evaluation. No chance plays, so the seed is not read."""
        self._steps = {}

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[Reply]:
        """What was played in each episode, in the step that it has come to.

        Raises:
            RecordingError: If the environment shows or offers something else than was recorded.
        """
        replies = []
        for observation, episode in zip(observations, episodes, strict=True):
            recording, index = self._chosen[episode], self._steps.get(episode, 0)
            if index == len(recording.steps):
                raise RecordingError(
                    f"{recording.place}: the episode goes on after its last recorded step; record "
                    "it anew with this version of the environment"
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
