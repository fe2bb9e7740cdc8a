"""ALFWorld: do chores in a house, seen in pictures."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gym_cards.alfworld import experts
from gym_cards.alfworld.engine.planner import Moment
from gym_cards.alfworld.games.dataset import (
    GameFiles,
    data_folder,
    files_of,
    find_games,
    keep_game,
    read_game,
)
from gym_cards.alfworld.games.floor_plans import SPLITS, Split
from gym_cards.alfworld.games.generator import TASK_TYPES, TaskType, generate
from gym_cards.alfworld.house import House, TextHouse
from gym_cards.alfworld.thor import ThorHouse
from gym_cards.alfworld.view import LARGEST, SMALLEST, View
from gym_cards.core.checks import check_integer
from gym_cards.core.env import RENDER_MODES, Frame
from gym_cards.core.window import Window

Reward = Literal["published", "sparse"]
Backend = Literal["textworld", "thor"]

MAX_COMMAND = 80
"""The most characters of a command."""
_VIEWS: tuple[View, ...] = get_args(View)
_REWARDS: tuple[Reward, ...] = get_args(Reward)
_BACKENDS: tuple[Backend, ...] = get_args(Backend)
_SEEDS = 2**31

TASK_DESCRIPTION = (
    "You are a robot in a house and do a chore, one command at a time. The picture shows the place "
    "where you stand, with what is in or on the furniture there and what you hold, and a map of "
    "the room. Things may be anywhere in the room where such things are kept: go to furniture to "
    "see what is there, and open what is closed to see inside. You can hold one thing at a time. "
    "Heat a thing in a microwave, cool it in a fridge, and clean it in a sink basin. To look at a "
    "thing under a lamp, hold it and use the lamp. Only the listed commands can be done; any other "
    "does nothing."
)


class ALFWorldEnv(gym.Env[Frame, str]):
    """Find a thing in a house, change it if asked to, and bring it where it belongs.

    ## Description
    The household games of ALFWorld, run by alfworld's own engine and shown in pictures, on any
    machine and without a download. The agent walks from furniture to furniture, opens what is
    closed, takes one thing at a time, heats, cools or cleans it, and puts it down elsewhere. There
    are six types of tasks:

    | Task type                        | Goal, for example                  |
    | -------------------------------- | ---------------------------------- |
    | `pick_and_place_simple`          | put a mug in desk                  |
    | `look_at_obj_in_light`           | look at book under the desklamp    |
    | `pick_clean_then_place_in_recep` | put a clean plate in cabinet       |
    | `pick_heat_then_place_in_recep`  | put a hot apple in fridge          |
    | `pick_cool_then_place_in_recep`  | put a cool tomato in countertop    |
    | `pick_two_obj_and_place`         | put two pencil in drawer           |

    Games are generated from the 120 floor plans that come with alfworld; their number is unlimited,
    and each can be won. A split, a task type and a seed give the same game on every machine.

    ## Action Space
    `Text(80)` of letters, digits and spaces: a command. `info["admissible_commands"]` lists the
    commands that can be done; any other text does nothing and costs a point.

    | Command                                      | Effect                                  |
    | -------------------------------------------- | --------------------------------------- |
    | "go to shelf 1"                              | stand in front of it                    |
    | "open fridge 1", "close fridge 1"            | open or close it                        |
    | "take mug 1 from shelf 1"                    | hold it; the hand has to be free        |
    | "move mug 1 to shelf 1"                      | put down what is held                   |
    | "heat mug 1 with microwave 1"                | make what is held hot                   |
    | "cool mug 1 with fridge 1"                   | make it cool                            |
    | "clean mug 1 with sinkbasin 1"               | make it clean                           |
    | "slice apple 1 with knife 1"                 | slice what is here with what is held    |
    | "use desklamp 1"                             | switch it on                            |
    | "examine mug 1", "look", "inventory", "help" | say more in `info["observation_text"]`  |

    `gym_cards.alfworld.DiscreteCommands` turns the listed commands into a `Discrete` space.

    ## Observation Space
    `Box(0, 255, (size, size, 3), uint8)`: what the agent sees where it stands and what it holds,
    above a map of the room; or either alone. The contents of closed furniture and of other places
    are not visible.

    ## Starting State
    `reset(seed=…)` picks the task type uniformly among `task_types`, and the game. Generated games:
    a scene, a goal that the room allows, and things where such things are kept; none of the things
    to find is where it has to go. The agent starts in the middle of the room, with a free hand and
    everything closed. With a data set, every game of the split is equally likely.

    `reset(options={"task_type": "look_at_obj_in_light", "game_seed": 3})` starts that generated
    game; `reset(options={"game": "…/game.tw-pddl"})` the game of a data set at that path.

    ## Rewards
    As published, 50 if the goal is reached, plus the share of its conditions that hold after the
    step (`goal_condition_success_rate`), minus 1 for a command that is not admissible. With
    `reward="sparse"`, 1 if the goal is reached, else 0.

    ## Episode End
    - Termination: the goal is reached.
    - Truncation: after 50 steps, the time limit that the id is registered with.

    ## Information
    - `observation_text`: alfworld's answer in words;
    - `admissible_commands`: the commands that can be done now, in alphabetical order;
    - `task`: the goal in words, the same throughout an episode; `task_type`: one of the six;
    - `won`, `is_success`: whether the goal is reached;
    - `goal_condition_success_rate`: the share of the goal's conditions that hold now. Clean, heat
      and cool have three: a thing is in place, one is treated, one is both. The task of two things
      has one for each in the same piece of furniture. Look in light has two: the thing is held, the
      lamp here is on;
    - `state`: `{"location": "shelf 1", "visible objects": "shelf 1: mug 2, book 1", "inventory":
      "hot apple 1"}`, what the picture shows;
    - `game`: the path of a `game.tw-pddl` that alfworld's own environment plays. The last 512
      generated games are kept, in the system's folder for temporary files.

    ## Arguments
    - `task_types` (default all six): the types of tasks to play;
    - `split` (default `"train"`): `"train"`; `"valid_seen"`, the same scenes with other games; or
      `"valid_unseen"`, other scenes, as ALFRED divides them;
    - `data` (default `None`): the folder of a data set of alfworld, whose games are played instead;
      `None` for the one that the variable ALFWORLD_DATA names, if any; `"generated"` for generated
      games in any case;
    - `view` (default `"both"`): `"first_person"`, `"map"` or `"both"`;
    - `size` (default 300): width and height of the picture, in pixels, from 150 to 2048;
    - `reward` (default `"published"`): `"published"` or `"sparse"`;
    - `backend` (default `"textworld"`): `"thor"` plays a downloaded data set in Unity, with
      alfworld's own `AlfredThorEnv`, and shows its frames. Then `view` has no effect, `state` has
      the one field "observation", and both experts are that environment's. It has not been run
      against Unity yet;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`.

    ## Version History
    - v0: alfworld 0.4.2's domain and texts; games of the first generator.

    ## References
    Shridhar et al., "ALFWorld: Aligning Text and Embodied Environments for Interactive Learning",
    2021, arXiv 2010.03768; Shridhar et al., "ALFRED", 2020, arXiv 1912.01734; the reward is that of
    Zhai et al., 2024, arXiv 2405.10292.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # type: ignore[misc]

    task_description = TASK_DESCRIPTION
    """The rules, as a person would be told; an episode's own goal is `info["task"]`."""
    action_names = None
    """Actions are texts, chosen from `info["admissible_commands"]`."""

    def __init__(
        self,
        task_types: Sequence[TaskType] = TASK_TYPES,
        split: Split = "train",
        data: str | os.PathLike[str] | None = None,
        view: View = "both",
        size: int = 300,
        reward: Reward = "published",
        backend: Backend = "textworld",
        render_mode: str | None = None,
    ) -> None:
        if isinstance(task_types, str) or not task_types or set(task_types) - set(TASK_TYPES):
            raise ValueError(
                f"task_types={task_types!r}: expected a list of some of {', '.join(TASK_TYPES)}"
            )
        _check_one_of("split", split, SPLITS)
        _check_one_of("view", view, _VIEWS)
        _check_one_of("reward", reward, _REWARDS)
        _check_one_of("backend", backend, _BACKENDS)
        _check_one_of("render_mode", render_mode, (None, *RENDER_MODES))
        self.task_types: tuple[TaskType, ...] = tuple(task_types)
        self.split: Split = split
        self.render_mode = render_mode
        size = check_integer("size", size, SMALLEST)
        if size > LARGEST:
            raise ValueError(f"size={size}: expected at most {LARGEST}; pass a smaller one")
        self._size = size
        self._reward: Reward = reward
        self._folder = data_folder(data)
        paths = None
        if self._folder is not None:
            paths = find_games(self._folder, split, self.task_types)
        self._house: House = ThorHouse(paths, size) if backend == "thor" else TextHouse(view, size)
        self._window: Window | None = None
        self._playing = False
        self.lazy_observations = False
        self._moment: Moment | None = None
        self.action_space = spaces.Text(
            max_length=MAX_COMMAND, charset=string.ascii_letters + string.digits + " "
        )
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Starts a game: a random one, or the one that the options describe.

        Raises:
            ValueError: If the options describe no game.
        """
        super().reset(seed=seed)
        files, self._path = self._pick(options or {})
        self._moment = self._house.start(files, self._path)
        self._task = _task_in(self._moment.feedback)
        self._task_type = files.trajectory["task_type"]
        self._playing = True
        if self.render_mode == "human":
            self.render()
        return self._returned(), self._info()

    def step(self, action: str) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Plays a command.

        Raises:
            ValueError: If the action is not a text.
        """
        if not isinstance(action, str):
            raise ValueError(
                f"{action!r} is not an action: expected a text, such as one of "
                "info['admissible_commands']"
            )
        if not self._playing:
            raise gym.error.ResetNeeded(
                "step() was called without a running episode: call reset() before the first step "
                "and after every end of an episode"
            )
        admissible = action.strip() in self._now.commands
        self._moment = self._house.step(action)
        self._playing = not self._now.won
        if self.render_mode == "human":
            self.render()
        info = self._info()
        reward = 50.0 * info["won"] + info["goal_condition_success_rate"] - (not admissible)
        if self._reward == "sparse":
            reward = float(info["won"])
        return self._returned(), reward, info["won"], False, info

    def current_observation(self) -> Frame:
        """Returns the picture of the present state, also if observations are lazy."""
        return self._frame()

    def render(self) -> Frame | None:
        """Returns the picture in the mode "rgb_array"; shows it in a window in the mode "human"."""
        if self.render_mode is None:
            gym.logger.warn(
                "render() was called without a render mode: pass render_mode='rgb_array' or "
                "render_mode='human' to gymnasium.make"
            )
            return None
        if self.render_mode == "rgb_array":
            return self._frame()
        if self._window is None:
            title = self.spec.id if self.spec else type(self).__name__
            self._window = Window(title, self.metadata["render_fps"])
        self._window.show(self._frame())
        return None

    def close(self) -> None:
        """Closes the window, if there is one, and leaves the engine to the next environment."""
        if self._window is not None:
            self._window.close()
            self._window = None
        self._house.close()
        self._playing = False

    def expert(self, privileged: bool = True) -> tuple[str, str]:
        """Returns a good command, and a sentence that gives the reason.

        Args:
            privileged: Whether the player knows where everything is, and so wins every generated
                game within 15 commands from any state. Otherwise it knows what pictures have shown
                since the game began, searches likely places first, and its reasons name only what
                is visible or remembered.
        """
        _ = self._now
        return self._house.expert(privileged)

    def demonstrate(self) -> tuple[str, str]:
        """Returns the move of a player who sees only the pictures, for a model to learn from."""
        return self.expert(privileged=False)

    def explain(self, action: str) -> str:
        """Returns a sentence that leads to the command, good or bad."""
        return experts.explain(action)

    @property
    def _now(self) -> Moment:
        if self._moment is None:
            raise gym.error.ResetNeeded("the game has no state yet: call reset() first")
        return self._moment

    def _pick(self, options: Mapping[str, Any]) -> tuple[GameFiles, Path]:
        """Returns the game to play, and its path."""
        if set(options) == {"game"}:
            path = Path(options["game"])
            if not path.is_file():
                raise ValueError(
                    f"options={dict(options)!r}: there is no such file; expected the path of a "
                    "game.tw-pddl, with its traj_data.json next to it"
                )
        elif not options and self._folder is not None:
            paths = find_games(self._folder, self.split, self.task_types)
            path = paths[int(self.np_random.integers(len(paths)))]
        else:
            game = generate(self.split, *self._name(options))
            files = files_of(game)
            return files, keep_game(game, files)
        return read_game(path), path

    def _name(self, options: Mapping[str, Any]) -> tuple[TaskType, int]:
        """Returns the task type and the seed of a generated game."""
        if not options:
            kind = self.task_types[int(self.np_random.integers(len(self.task_types)))]
            return kind, int(self.np_random.integers(_SEEDS))
        if set(options) != {"task_type", "game_seed"}:
            raise ValueError(
                f"options={dict(options)!r}: expected exactly the keys 'task_type' and "
                "'game_seed', or 'game' alone; leave `options` out for a random game"
            )
        _check_one_of("options['task_type']", options["task_type"], TASK_TYPES)
        seed = check_integer("options['game_seed']", options["game_seed"], 0)
        return options["task_type"], seed

    def _returned(self) -> Frame:
        """Returns the observation for `reset` and `step`."""
        if self.lazy_observations:
            return np.zeros((self._size, self._size, 3), np.uint8)
        return self._frame()

    def _frame(self) -> Frame:
        _ = self._now
        return self._house.frame()

    def _info(self) -> dict[str, Any]:
        now = self._now
        return {
            "observation_text": now.feedback,
            "admissible_commands": now.commands,
            "task": self._task,
            "task_type": self._task_type,
            "won": now.won,
            "goal_condition_success_rate": self._house.success_rate(),
            "state": self._house.state(),
            "is_success": now.won,
            "game": str(self._path),
        }


def _task_in(intro: str) -> str:
    """Returns the goal's sentence in alfworld's first answer."""
    return intro.rpartition("Your task is to: ")[2].strip().removesuffix(".")


def _check_one_of(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise ValueError(
            f"{name}={value!r}: expected one of {', '.join(map(repr, choices))}; pass one of them"
        )
