"""Houses of AI2-THOR: alfworld's own environment in Unity, and its frames.

The tests of this package run a stand-in instead of Unity's controller.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium.error import DependencyNotInstalled

from gym_cards.alfworld import packages
from gym_cards.alfworld.engine.planner import NOTHING, Moment
from gym_cards.alfworld.games.dataset import GameFiles
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.games.goals import Goals, annotation, task_in, with_goal
from gym_cards.alfworld.games.index import TRAJECTORY
from gym_cards.alfworld.view import goal_above
from gym_cards.core.env import Frame

BUILD = "thor-201909061227-Linux64"
"""The Unity build that alfworld's version of ai2thor runs."""
_VERSION = "2.1.0"
_MODULES = ("ai2thor", "cv2", "pandas", "torch", "torchvision", "werkzeug")
_ENDLESS = 10**9
_CONTAINED = threading.Lock()


def missing(games: Sequence[Path] | None) -> list[str]:
    """Returns what is missing to play in THOR, each with how to get it, without starting anything.

    Args:
        games: Paths of `game.tw-pddl`, of which the first is read; `None` without a data set.
    """
    found = []
    absent = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if absent:
        found.append(
            f'the packages {", ".join(absent)}: run `pip install "alfworld[vis]==0.4.2"`, best in '
            "a separate environment, because it pins old versions"
        )
    elif importlib.metadata.version("ai2thor") != _VERSION:
        found.append(f"ai2thor {_VERSION}: run `pip install ai2thor=={_VERSION}`")
    build = Path.home() / ".ai2thor" / "releases" / BUILD / BUILD
    if not os.access(build, os.X_OK):
        found.append(
            f"the Unity build {build}: with ai2thor installed, run `python -c 'from "
            "ai2thor.controller import Controller; Controller().download_binary()'`"
        )
    display = os.environ.get("DISPLAY", ":0.0")
    host, _, number = display.partition(":")
    if not host and not Path(f"/tmp/.X11-unix/X{number.split('.')[0]}").exists():
        found.append(
            f"an X server at the display {display!r}: start one, such as `Xorg :0`, and set DISPLAY"
        )
    if games is None:
        found.append(
            "the data set: run `alfworld-download` and set ALFWORLD_DATA to its folder, or pass "
            "data=; generated games have no Unity scene"
        )
    elif "object_poses" not in _scene(games[0]):
        found.append(
            f"the scenes' `object_poses` in {games[0].with_name(TRAJECTORY)}: use the downloaded "
            "data set; generated games have no Unity scene"
        )
    return found


def _scene(game: Path) -> Any:
    return json.loads(game.with_name(TRAJECTORY).read_text("utf-8")).get("scene", {})


class ThorHouse:
    """House in Unity, run by alfworld's own `AlfredThorEnv` with its oracle controller.

    Args:
        games: Paths of the `game.tw-pddl` that can be played; `None` without a data set.
        size: The frames' width and height in pixels.
        goals: Whose words tell the goals.
        show_goal: Whether the frames show the goal, above Unity's, which are then lower.

    Raises:
        DependencyNotInstalled: If something is missing; the message says what, and how to get it.
    """

    fields: ClassVar[tuple[str, ...]] = ("observation",)

    def __init__(
        self,
        games: Sequence[Path] | None,
        size: int,
        goals: Goals = "template",
        show_goal: bool = False,
    ) -> None:
        self._goals = goals
        self._show_goal = show_goal
        lacking = missing(games)
        if lacking or games is None:
            raise DependencyNotInstalled(
                "backend='thor' plays in Unity and lacks: " + "; ".join(lacking) + ". The default "
                "backend='textworld' needs none of it"
            )
        environment = packages.load("alfworld.agents.environment.alfred_thor_env").AlfredThorEnv
        with _contained(0):
            # alfworld's expert plays along in the training split only.
            self._env = environment(_config(games[0].parents[2], size), train_eval="train")
            self._env.init_env(batch_size=1)

    def start(self, files: GameFiles, path: Path | None) -> Moment:
        """Starts the game of a data set at a path."""
        if path is None:
            raise ValueError("backend='thor' plays the games of a data set alone: pass data=")
        trajectory = path.with_name(TRAJECTORY)
        # The games that AlfredThorEnv draws from.
        self._env.json_file_list = [str(trajectory)]
        # The goal's sentence is drawn too; seeded by the path, it depends on nothing else.
        with _contained(str(path.parent)):
            texts, infos = self._env.reset()
        moment = self._moment(texts[0], infos)
        if self._goals == "human":
            moment = self._now = with_goal(moment, annotation(files.trajectory, path))
        self._shown = task_in(moment.feedback) if self._show_goal else ""
        return moment

    def step(self, command: str) -> Moment:
        """Plays a command; one that cannot be done has no effect."""
        command = command.strip()
        if command not in self._now.commands:
            return Moment(NOTHING, self._now.commands, self._now.won)
        with _contained(command):
            texts, _, _, infos = self._env.step([command])
        return self._moment(texts[0], infos)

    def frame(self) -> Frame:
        """Returns Unity's last frame, of which alfworld exchanges red and blue."""
        frames = self._env.get_frames()
        frame = np.ascontiguousarray(frames[0][:, :, ::-1], dtype=np.uint8)
        return goal_above(frame, self._shown) if self._shown else frame

    def state(self) -> dict[str, str]:
        """Returns alfworld's description of what is visible."""
        return {"observation": " ".join(self._now.feedback.split())}

    def success_rate(self) -> float:
        """Returns the share of the goal's conditions that hold now, as alfworld counts it."""
        return self._rate

    def expert(self, privileged: bool) -> tuple[str, str]:
        """Returns the command of alfworld's handcoded expert, the only one there is."""
        del privileged
        return self._plan, "This is what the expert of alfworld does next."

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(
            "an environment that runs Unity can be neither copied nor pickled: use snapshot() and "
            "restore()"
        )

    def close(self) -> None:
        """Stops Unity."""
        self._env.close()

    def _moment(self, text: str, infos: dict[str, Any]) -> Moment:
        self._rate = float(infos["goal_condition_success_rate"][0])
        plan = infos["extra.expert_plan"][0]
        self._plan = str(plan[0]) if plan else "look"
        commands = tuple(sorted(set(infos["admissible_commands"][0])))
        self._now = Moment(str(text), commands, bool(infos["won"][0]))
        return self._now


@contextlib.contextmanager
def _contained(seed: int | str) -> Iterator[None]:
    """Hides what alfworld prints, and its use of the global generator; one thread at a time."""
    with _CONTAINED:
        before = random.getstate()
        random.seed(seed)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            random.setstate(before)


def _config(data: Path, size: int) -> dict[str, Any]:
    """Returns the part of the configuration that `AlfredThorEnv` reads."""
    return {
        "env": {
            "goal_desc_human_anns_prob": 0.0,
            "task_types": list(range(1, len(TASK_TYPES) + 1)),
            "thor": {
                "screen_height": size,
                "screen_width": size,
                "smooth_nav": False,
                "save_frames_to_disk": False,
                "save_frames_path": os.devnull,
            },
        },
        "dataset": {"data_path": str(data), "num_train_games": 0},
        "controller": {"type": "oracle", "debug": False, "load_receps": True},
        "general": {"training_method": "dqn"},
        # The environment's own time limit is Gymnasium's.
        "rl": {"training": {"max_nb_steps_per_episode": _ENDLESS}},
    }
