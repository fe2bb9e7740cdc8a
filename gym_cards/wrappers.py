"""Wrappers for the games: the state as text, and graded rewards for formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from gym_cards.core.shared_text import SharedText
from gym_cards.core.texts import CHARSET, Alphabet, in_one_line
from gym_cards.points.formula import evaluate_exact, evaluate_published
from gym_cards.points.solver import unused_numbers

__all__ = ["CHARSET", "GradedReward", "TextObservation"]

MAX_LENGTH = 512
"""The most characters of a text, unless the argument says otherwise."""
MAX_LENGTH_WITH_COMMANDS = 8192
"""The same where actions are texts, which are listed too."""


class TextObservation(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Observes the state as text, instead of the picture or next to it.

    The text is `info["state"]`, a line for each field:

        cards: 9 A K 10
        current formula: 9*

    Where the infos have them, the episode's goal is the first line, and the possible commands are
    the last, so that an agent needs nothing but its observations:

        task: look at book under the desklamp
        location: desk 1
        visible objects: desk 1: book 1, desklamp 1
        inventory: nothing
        commands: examine desk 1; go to bed 1; take book 1 from desk 1; use desklamp 1

    It works with every environment whose infos have the `state` of the package's protocol. An
    observation has neither line breaks nor foreign characters of a goal: these become spaces and
    look-alikes ("café" is "cafe"), or "?" where there is none. `info["task"]` keeps them.

    Everything else is passed through, including the protocol's attributes
    (`get_wrapper_attr("action_names")`). In a vector environment it wraps the single ones:
    `gym.make_vec(id, 4, vectorization_mode="async", wrappers=[TextObservation])`. Gymnasium's own
    `Text` spaces never change in "async" mode; the texts observed here do.

    ## Observation Space
    - text: `Text(min_length=0, max_length=max_length, charset=charset)`;
    - with `tokens=True`, for agents that take no text:
      `MultiDiscrete([len(charset) + 1] * max_length)`, the characters' indices in `vocabulary`,
      padded with 0. `decode` turns them back into the text;
    - with `keep_image=True`: `Dict(image=…, text=…)`, where `image` is the environment's own
      observation and `text` one of the above.

    Args:
        env: The environment.
        keep_image: Whether to keep the environment's own observation next to the text.
        tokens: Whether the text is a fixed number of integers instead of a string.
        max_length: The most characters of a text, at least 1; `None` for 512, or 8192 where
            actions are texts. Texts of the registered games are shorter.
        charset: The characters that a text may have, each once.

    Raises:
        ValueError: If an argument is out of range; in `reset` and `step`, if the info has no
            `state`, or the text is too long or has other characters.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        keep_image: bool = False,
        tokens: bool = False,
        max_length: int | None = None,
        charset: str = CHARSET,
    ) -> None:
        RecordConstructorArgs.__init__(
            self, keep_image=keep_image, tokens=tokens, max_length=max_length, charset=charset
        )
        super().__init__(env)
        if max_length is None:
            texts = env.has_wrapper_attr("action_names") and (
                env.get_wrapper_attr("action_names") is None
            )
            max_length = MAX_LENGTH_WITH_COMMANDS if texts else MAX_LENGTH
        if max_length < 1:
            raise ValueError(f"max_length={max_length}: expected at least 1; try 512")
        if not charset or len(set(charset)) != len(charset):
            raise ValueError(f"charset={charset!r}: expected some characters, each of them once")
        self.keep_image = keep_image
        self.tokens = tokens
        self.max_length = max_length
        self._alphabet = Alphabet(charset)
        self.vocabulary = self._alphabet.vocabulary
        """The character of each token; the first, an empty one, is padding."""
        text: spaces.Space[Any] = (
            spaces.MultiDiscrete([len(self.vocabulary)] * max_length)
            if tokens
            else SharedText(max_length, min_length=0, charset=charset)
        )
        self.observation_space = (
            spaces.Dict({"image": env.observation_space, "text": text}) if keep_image else text
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, and observes its state as text."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._described(observation, info), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Plays an action, and observes the state after it as text."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._described(observation, info), reward, terminated, truncated, info

    def decode(self, tokens: np.typing.ArrayLike) -> str:
        """Returns the text of some tokens.

        Args:
            tokens: Indices into `vocabulary`, of any length.
        """
        return self._alphabet.decode(tokens)

    def _described(self, observation: Any, info: Mapping[str, Any]) -> Any:
        if "state" not in info:
            raise ValueError(
                f"the infos of {self.env} have the keys {', '.join(sorted(info)) or 'none'}: "
                "expected 'state', a dictionary of texts; wrap an environment that offers it"
            )
        lines = [f"{field}: {value}" for field, value in info["state"].items()]
        if info.get("task"):
            lines.insert(0, f"task: {self._alphabet.fold(in_one_line(info['task']))}")
        if "admissible_commands" in info:
            lines.append(f"commands: {'; '.join(info['admissible_commands'])}")
        text = "\n".join(lines)
        foreign = self._alphabet.foreign(text)
        if len(text) > self.max_length or foreign:
            raise ValueError(
                f"the text {text!r} has {len(text)} characters"
                + (f", among them {''.join(foreign)!r}" if foreign else "")
                + f": expected at most {self.max_length} out of the charset; pass a larger "
                "max_length or charset"
            )
        described = self._alphabet.encode(text, self.max_length) if self.tokens else text
        return {"image": observation, "text": described} if self.keep_image else described


class GradedReward(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Rewards the formulas of the points games in grades instead of as right or wrong.

    Their own rewards are 10, -1 and 0. Here every step is graded by what it does:

    | Grade            | When                                                           | Default |
    | ---------------- | -------------------------------------------------------------- | ------- |
    | "correct"        | "=" with a formula that wins by the game's rules               | 5       |
    | "wrong value"    | "=" with a formula that uses every card and has another value  | -1      |
    | "malformed"      | "=" with any other formula: no value, or a card is not used    | -3      |
    | "refused number" | a number that no unused card has                               | -2      |
    | "too long"       | the step that meets a formula of more tokens than allowed      | -1      |
    | "lost"           | any other step that ends the game, with `end_when_lost`        | -1      |
    | ""               | any other step                                                 | 0       |

    A formula has a value if the game's rules give it one: with `rules="published"` that is
    Python's arithmetic with its quirks, with `rules="exact"` the arithmetic that people know.

    Only the reward changes. `info["is_success"]` keeps its published meaning, that the game's own
    rewards sum to more than 0, and `exact()` refers to these too, so that success can be compared
    with and without the wrapper. `info["grade"]` is the step's grade, "" after `reset`.

    The default values are those for legal, illegal and foreign numbers in "SFT Memorizes, RL
    Generalizes" (Chu et al. 2025, arXiv 2501.17161, appendix A), where a whole formula is one
    action; here each refused number is a step of its own and rewarded at once.

    Args:
        env: A points game, such as `gym_cards/Points24-v0`.
        correct: The reward for a formula that wins.
        wrong_value: The reward for a formula of another value.
        malformed: The reward for a formula without value or with an unused card.
        lost: The reward for a token after which no formula wins, where `end_when_lost` ends the
            game for it.
        refused_number: The reward for a number that is refused.
        too_long: The reward for a formula that is too long.

    Raises:
        ValueError: If the environment is not a points game.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        correct: float = 5.0,
        wrong_value: float = -1.0,
        malformed: float = -3.0,
        refused_number: float = -2.0,
        too_long: float = -1.0,
        lost: float = -1.0,
    ) -> None:
        RecordConstructorArgs.__init__(
            self,
            correct=correct,
            wrong_value=wrong_value,
            malformed=malformed,
            refused_number=refused_number,
            too_long=too_long,
            lost=lost,
        )
        super().__init__(env)
        if not (env.has_wrapper_attr("target_points") and env.has_wrapper_attr("rules")):
            raise ValueError(
                f"{env} has no formulas to grade: expected a points game, such as "
                "gym_cards/Points24-v0 or gym_cards/EZPoints-v0"
            )
        self.rewards = {
            "correct": float(correct),
            "wrong value": float(wrong_value),
            "malformed": float(malformed),
            "refused number": float(refused_number),
            "too long": float(too_long),
            "lost": float(lost),
            "": 0.0,
        }
        """The reward of each grade."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, "grade": ""}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays an action, and grades it."""
        # From the game, because it may have restored a snapshot since the last step.
        length = len(self.get_wrapper_attr("info")()["Formula"])
        observation, reward, terminated, truncated, info = self.env.step(action)
        formula = info["Formula"]
        if len(formula) > length:
            grade = "refused number" if formula[-1] == " " else "lost" if terminated else ""
        elif terminated:  # "=" is not appended
            grade = "correct" if float(reward) > 0 else self._failure(formula, info["Numbers"])
        else:
            grade = "too long"
        info = {**info, "grade": grade}
        return observation, self.rewards[grade], terminated, truncated, info

    def _failure(self, formula: list[str | int], numbers: list[int]) -> str:
        """Returns the grade of a closed formula that does not win."""
        exact = self.get_wrapper_attr("rules") == "exact"
        value = evaluate_exact(formula) if exact else evaluate_published(formula)
        used_all = not unused_numbers(formula, numbers)
        return "wrong value" if used_all and value is not None else "malformed"
