"""NumberLine: walk along a line of numbers to a target."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import numpy as np

from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import check_choice, check_integer, check_options
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.number_line.drawn_line import MAX_POSITION
from gym_cards.number_line.exact import exact
from gym_cards.number_line.picture import Display, NumberLinePicture
from gym_cards.render.style import RenderStyle, StyleOptions

ACTION_NAMES = ("-", "+")
LARGEST_POSITION = 1_000_000


def deal(np_random: np.random.Generator, max_position: int) -> tuple[int, int]:
    """Draws a target and a current position that differ."""
    target = int(np_random.integers(max_position + 1))
    current = int(np_random.integers(max_position + 1))
    if target == current:
        # The published rule wraps at max_position instead of after it, and so sends the last two
        # positions to 0 and 1. For a max_position of at least 2 the result differs from `target`.
        target = (target + 1) % max_position
    return target, current


def move(current: int, action: int, max_position: int) -> int:
    """Returns the position after an action; the ends of the line are never left."""
    return min(max(current + (1 if action == 1 else -1), 0), max_position)


def reward(target: int, before: int, after: int) -> float:
    """Returns 1 on the target, -1 for a step that does not come closer to it, else 0."""
    if after == target:
        return 1.0
    return 0.0 if abs(target - after) < abs(target - before) else -1.0


class NumberLineEnv(CardGameEnv[Frame]):
    """Walk along a line of numbers to a target.

    ## Description
    A picture shows two numbers, a target and a current one. Each action adds 1 to the current
    number or subtracts 1 from it, until it equals the target. This is the easiest game of the
    package: a player who can read and compare two numbers wins every episode.

    ## Action Space
    `Discrete(2)`:

    | Action | Name | Effect                                                      |
    | ------ | ---- | ----------------------------------------------------------- |
    | 0      | "-"  | the current number goes down by 1, not below 0              |
    | 1      | "+"  | the current number goes up by 1, not above `max_position`   |

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: black text on white, "Target: n" above "Current: n". With
    `display="line"` a line from 0 to `max_position` with a tick for every number, a red flag on the
    target and a blue arrow below the current number.

    ## Starting State
    Target and current number are drawn from 0 to `max_position`, uniformly and independently.
    If they are equal, the target becomes `(target + 1) % max_position`; it is a quirk of the
    published game that this is never `max_position`, and turns the last number into 1.

    `reset(options={"target": 4, "current": 1})` sets both numbers, which must differ.

    ## Rewards
    - +1 for reaching the target;
    - -1 for a step that does not come closer to it, at an end of the line too;
    - 0 otherwise.

    ## Episode End
    - Termination: the current number equals the target.
    - Truncation: `2 * max_position` steps were made. No other limit is registered.

    ## Information
    - `Target`, `Current`: the two numbers;
    - `state`: `{"current number": …, "target number": …}`, as text;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the sum of rewards so far is above 0. It is a quirk of this published
      measure that an episode with a detour does not count even if it ends on the target;
    - `action_mask`: all ones, because no action is refused.

    ## Arguments
    - `max_position` (default 5): the largest number, 2 to 1,000,000;
    - `display` (default `"text"`): `"text"`, or `"line"` for a drawn line, up to number 60;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`) and `font_scale` (1): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`.

    ## Variants
    | Id                             | Arguments         | What is new                       |
    | ------------------------------ | ----------------- | --------------------------------- |
    | `gym_cards/NumberLineLong-v0`  | `max_position=20` | numbers that are not in 0 to 5    |
    | `gym_cards/NumberLineDrawn-v0` | `display="line"`  | positions to see, none to read    |

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    picture: NumberLinePicture
    state_fields: ClassVar[Fields] = {
        "current number": lambda game: str(game._current),
        "target number": lambda game: str(game._target),
    }
    info_fields: ClassVar[Fields] = {
        "Target": attrgetter("_target"),
        "Current": attrgetter("_current"),
    }

    def __init__(
        self,
        max_position: int = 5,
        display: Display = "text",
        render_mode: str | None = None,
        **style: Unpack[StyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=False, game=type(self))
        self.max_position = check_integer("max_position", max_position, least=2)
        if self.max_position > LARGEST_POSITION:
            raise ValueError(
                f"max_position={max_position}: expected at most {LARGEST_POSITION}; choose less"
            )
        self.max_steps = 2 * self.max_position
        check_choice("display", display, ("text", "line"))
        if display == "line" and self.max_position > MAX_POSITION:
            raise ValueError(
                f"max_position={max_position}: expected at most {MAX_POSITION} with "
                "display='line', where every number has a mark of its own; use display='text'"
            )
        self.display = display
        shown = (
            "a target number and a current number, both between 0 and"
            if display == "text"
            else "a line on which a flag marks the target number and an arrow the current number; "
            "it goes from 0 to"
        )
        super().__init__(
            NumberLinePicture(render_style, display, self.max_position),
            ACTION_NAMES,
            f"You are playing a game called number line. You see {shown} {self.max_position}. "
            'Each turn you add 1 to the current number by choosing "+" or subtract 1 from it by '
            'choosing "-"; it never leaves the range. Your goal is to make the current number '
            "equal to the target number, without any step that does not come closer to it, within "
            f"{self.max_steps} turns.",
            render_mode,
        )

    def expert(self) -> tuple[int, str]:
        """Returns the step towards the target, and the reason."""
        self._require_start()
        action = int(self._current < self._target)
        return action, self.explain(action)

    def _start(self, parsed: tuple[int, int] | None) -> None:
        self._target, self._current = parsed or deal(self.np_random, self.max_position)
        self._steps = 0

    def _play(self, action: int) -> tuple[float, bool, bool]:
        before, self._current = self._current, move(self._current, action, self.max_position)
        self._steps += 1
        if not self._undrawn:
            self._draw()
        terminated = self._current == self._target
        truncated = not terminated and self._steps >= self.max_steps
        return reward(self._target, before, self._current), terminated, truncated

    def _draw(self) -> None:
        self.picture.show(self._target, self._current)

    def _parse(self, options: Mapping[str, Any]) -> tuple[int, int]:
        check_options(options, ("target", "current"))
        target = check_integer("target", options["target"], least=0)
        current = check_integer("current", options["current"], least=0)
        if max(target, current) > self.max_position:
            raise ValueError(
                f"target={target}, current={current}: expected numbers from 0 to "
                f"{self.max_position}; choose others, or a larger max_position"
            )
        if target == current:
            raise ValueError(
                f"target={target}, current={current}: expected two different numbers; the game "
                "would be over"
            )
        return target, current

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            self._target,
            self._current,
            max_position=self.max_position,
            steps_left=self.max_steps - self._steps,
            return_so_far=self._return,
            gamma=gamma,
        )

    def _explain(self, action: int) -> str:
        step = "add 1" if action == 1 else "subtract 1"
        return f"current {self._current}, target {self._target}, so I {step}"

    def _settings(self) -> tuple[object, ...]:
        return (self.max_position, self.display)


class NumberLineVectorEnv(CardGameVectorEnv):
    """Batch of NumberLine games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = NumberLineEnv
