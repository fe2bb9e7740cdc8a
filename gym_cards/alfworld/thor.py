"""The houses of AI2-THOR: alfworld's own environment on Unity, and its frames.

Not run against Unity in the tests of this package, where a stand-in takes the controller's place.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled

from gym_cards.alfworld import packages
from gym_cards.alfworld.engine.planner import NOTHING, Moment
from gym_cards.alfworld.games.dataset import TRAJECTORY, GameFiles
from gym_cards.alfworld.games.generator import TASK_TYPES
from gym_cards.core.env import Frame

BUILD = "thor-201909061227-Linux64"
"""The Unity build that alfworld's version of ai2thor runs."""
_VERSION = "2.1.0"
_MODULES = ("ai2thor", "cv2", "pandas", "torch", "torchvision", "werkzeug")
_ENDLESS = 10**9


def missing(games: Sequence[Path] | None) -> list[str]:
    """What is missing to play in THOR, each with how to get it; nothing is started to find out.

    Args:
        games: Paths of `game.tw-pddl`, the first of which is looked at; `None` without a data set.
    """
    found = []
    absent = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if absent:
        found.append(
            f'the packages {", ".join(absent)}: run `pip install "alfworld[vis]==0.4.2"`, best in '
            "an environment of its own, since it pins old versions"
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
    """A house in Unity, played by alfworld's own `AlfredThorEnv` with its oracle controller.

    Args:
        games: Paths of the `game.tw-pddl` that may be played; `None` without a data set.
        size: Of the frames, in pixels.

    Raises:
        DependencyNotInstalled: If something is missing: the message tells what, and how to get it.
    """

    def __init__(self, games: Sequence[Path] | None, size: int) -> None:
        lacking = missing(games)
        if lacking or games is None:
            raise DependencyNotInstalled(
                "backend='thor' plays in Unity and lacks: " + "; ".join(lacking) + ". The default "
                "backend='textworld' needs none of it"
            )
        environment = packages.load("alfworld.agents.environment.alfred_thor_env").AlfredThorEnv
        with _contained(0):
            # The training split is the one for which alfworld's expert plays along.
            self._env = environment(_config(games[0].parents[2], size), train_eval="train")
            self._env.init_env(batch_size=1)

    def start(self, files: GameFiles, path: Path) -> Moment:
        """Starts the game of a data set at a path."""
        del files
        trajectory = path.with_name(TRAJECTORY)
        # What AlfredThorEnv draws its games from.
        self._env.json_file_list = [str(trajectory)]
        # The sentence that tells the goal is drawn too: it follows from the path alone.
        with _contained(str(path.parent)):
            texts, infos = self._env.reset()
        return self._moment(texts[0], infos)

    def step(self, command: str) -> Moment:
        """Does what a command says, or nothing where that cannot be done."""
        command = command.strip()
        if command not in self._now.commands:
            return Moment(NOTHING, self._now.commands, self._now.won)
        with _contained(command):
            texts, _, _, infos = self._env.step([command])
        return self._moment(texts[0], infos)

    def frame(self) -> Frame:
        """Unity's last frame; alfworld hands it out with red and blue exchanged."""
        frames = self._env.get_frames()
        return np.ascontiguousarray(frames[0][:, :, ::-1], dtype=np.uint8)

    def state(self) -> dict[str, str]:
        """What alfworld says of what is to be seen."""
        return {"observation": " ".join(self._now.feedback.split())}

    def success_rate(self) -> float:
        """The share of the goal's conditions that hold now, as alfworld counts it."""
        return self._rate

    def expert(self, privileged: bool) -> tuple[str, str]:
        """What alfworld's handcoded expert does now; there is but one, whoever asks."""
        del privileged
        return self._plan, "This is what the expert of alfworld does next."

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
    """Keeps what alfworld prints, and its use of the global generator, to itself."""
    before = random.getstate()
    random.seed(seed)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        random.setstate(before)


def _config(data: Path, size: int) -> dict[str, Any]:
    """What `AlfredThorEnv` reads of its configuration."""
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
