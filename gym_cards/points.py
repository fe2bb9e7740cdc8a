"""EZPoints and Points24: write a formula with all cards that equals a target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from gym_cards import rendering, solver
from gym_cards.cards import RANKS, SUITS, Card, deal
from gym_cards.formula import evaluate_exact, evaluate_published
from gym_cards.game import (
    Frame,
    Game,
    check_cards,
    check_flag,
    check_integer,
    check_options,
    picture_space,
)

Rules = Literal["published", "exact"]
Token = int | str

REFUSED = " "
"""What the rules append to a formula in place of a number that they refuse."""

_COUNTS = {2: "two", 4: "four"}


def value(card: Card, *, faces_as_10: bool) -> int:
    """The number that a card stands for."""
    return min(card.rank, 10) if faces_as_10 else card.rank


def numbers_left(numbers: Sequence[int], formula: Sequence[Token]) -> list[int]:
    """The cards' numbers that the formula has not used."""
    left = list(numbers)
    for token in formula:
        if isinstance(token, int):
            left.remove(token)
    return left


def is_correct(formula: Sequence[Token], numbers: Sequence[int], target: int, rules: Rules) -> bool:
    """Whether the formula uses every number and equals the target."""
    if rules == "exact":
        return evaluate_exact(formula, numbers) == target
    return not numbers_left(numbers, formula) and evaluate_published(formula) == target


def deal_twelve(np_random: np.random.Generator) -> tuple[Card, Card]:
    """Two cards that make 12 by + or *, as the published EZPoints deals them."""
    first = Card(_suit(np_random), int(np_random.integers(2, 14)))
    number = value(first, faces_as_10=True)
    by_product = number in (2, 3, 4, 6) and np_random.random() < 0.5
    partner = 12 // number if by_product else 12 - number
    # The partner is dealt by its number, so that a partner worth 10 is never a J, Q or K.
    second = Card(_suit(np_random), partner)
    return (second, first) if np_random.random() < 0.5 else (first, second)


def pairs_reaching(target: int) -> tuple[tuple[int, int], ...]:
    """All ordered pairs of ranks that make the target by + or *, with J, Q and K worth 10."""
    return tuple(
        (left, right)
        for left in RANKS
        for right in RANKS
        if target in (min(left, 10) + min(right, 10), min(left, 10) * min(right, 10))
    )


def _suit(np_random: np.random.Generator) -> str:
    return SUITS[int(np_random.integers(len(SUITS)))]


class PointsEnv(Game[Frame]):
    """What EZPoints and Points24 share; each adds its cards, its operators and its limit.

    Args:
        name: What the task description calls the game.
        cards: How many cards are dealt.
        operators: The texts of the actions that are not numbers, "=" last.
        max_length: A longer formula ends the episode.
        faces_as_10: Whether J, Q and K stand for 10, else for 11, 12 and 13.
        target_points: The value to reach.
        rules: What counts as a correct formula.
        inline: Whether the picture has the formula beside its label instead of below it.
        render_mode: As in Gymnasium.
    """

    given = ("current formula",)

    def __init__(
        self,
        *,
        name: str,
        cards: int,
        operators: tuple[str, ...],
        max_length: int,
        faces_as_10: bool,
        target_points: int,
        rules: Rules,
        inline: bool,
        render_mode: str | None,
    ) -> None:
        super().__init__(render_mode)
        self.target_points = target_points
        self.rules: Rules = rules
        self._size = cards
        self._max_length = max_length
        self._faces_as_10 = faces_as_10
        self._inline = inline
        self._operators = operators
        self._numbers_dealt = range(1, 11 if faces_as_10 else 14)
        self._tokens: tuple[Token, ...] = (*self._numbers_dealt, *operators)
        self.action_names = tuple(map(str, self._tokens))
        self.action_space = spaces.Discrete(len(self._tokens))
        self.observation_space = picture_space()
        faces = "J, Q and K count 10" if faces_as_10 else "J, Q and K count 11, 12 and 13"
        signs = [f'"{sign}"' for sign in operators if sign != "="]
        self.task_description = (
            f"You are playing a game called {name}. You see {_COUNTS[cards]} cards and the formula "
            f"so far. {faces}, an ace counts 1, and every other card counts its number. Each turn "
            f"you append one number or one of {', '.join(signs)} to the formula. A number that no "
            "unused card shows is refused: it costs a point, and a blank is appended in its place. "
            'When the formula is complete, choose "=", which ends the game; a formula of more than '
            f"{max_length} entries, blanks included, is lost. Your goal is a formula that uses the "
            f"number of every card exactly once and equals {target_points}."
        )

    def expert(self) -> tuple[int, str]:
        """The next token of the best formula, and why; without hope it ends the episode."""
        self._require_start()
        rest = self._plan(self._formula)
        action = self.action_names.index(str(rest[0]))
        return action, self._reason(rest)

    def explain(self, action: np.int64 | int) -> str:
        """The sorted numbers, and a plan for the rest of the formula that begins with the action.

        Where the action leaves no way to the target, the plan is to end the episode after it.
        """
        self._require_start()
        token = self._tokens[self._index(action)]
        if token == "=":
            return self._reason([token])
        return self._reason([token, *self._plan([*self._formula, self._accepted(token)])])

    def _reason(self, rest: Sequence[Token]) -> str:
        numbers = " ".join(map(str, sorted(self._numbers)))
        return f"sorted {numbers}, rest {''.join(map(str, rest))}"

    def _plan(self, formula: Sequence[Token]) -> list[Token]:
        """What the expert would append to a formula, ending with "="."""
        rest = solver.complete(
            formula,
            self._numbers,
            self.target_points,
            max_tokens=self._max_length,
            operators="".join(sign for sign in self._operators if sign in "+-*/"),
            parentheses="(" in self._operators,
            floating_point=self.rules == "published",
        )
        return [*(rest or ()), "="]

    def _accepted(self, token: Token) -> Token:
        """What the rules append for a token: itself, or a blank for a number that is not left."""
        if isinstance(token, str) or token in numbers_left(self._numbers, self._formula):
            return token
        return REFUSED

    def _values(self, cards: Sequence[Card]) -> list[int]:
        """The numbers that cards stand for."""
        return [value(card, faces_as_10=self._faces_as_10) for card in cards]

    @abstractmethod
    def _deal(self) -> tuple[Card, ...]:
        """Draws the cards."""

    def _start(self, options: Mapping[str, Any]) -> None:
        self._cards = self._parse(options) if options else self._deal()
        self._numbers = self._values(self._cards)
        self._formula: list[Token] = []

    def _parse(self, options: Mapping[str, Any]) -> tuple[Card, ...]:
        check_options(options, ("cards",))
        cards = check_cards("cards", options["cards"])
        if len(cards) != self._size:
            raise ValueError(
                f"options['cards']={options['cards']!r}: expected {self._size} cards, got "
                f"{len(cards)}; pass as many as the game deals"
            )
        return cards

    def _play(self, action: int) -> tuple[float, bool, bool]:
        token = self._tokens[action]
        # The published order: the length is looked at before the action, which then has no effect.
        if len(self._formula) > self._max_length:
            return -1.0, False, True
        if token == "=":
            won = is_correct(self._formula, self._numbers, self.target_points, self.rules)
            return (10.0 if won else -1.0), True, False
        accepted = self._accepted(token)
        self._formula.append(accepted)
        return (-1.0 if accepted == REFUSED else 0.0), False, False

    def _frame(self) -> Frame:
        return rendering.points(self._cards, [str(t) for t in self._formula], inline=self._inline)

    def _state(self) -> dict[str, str]:
        return {
            "cards": " ".join(card.label for card in self._cards),
            "current formula": "".join(map(str, self._formula)),
        }

    def _published_info(self) -> dict[str, Any]:
        return {
            "Cards": [card.code for card in self._cards],
            "Numbers": list(self._numbers),
            "Formula": list(self._formula),
        }

    def _action_mask(self) -> NDArray[np.int8]:
        left = numbers_left(self._numbers, self._formula)
        return np.array([isinstance(t, str) or t in left for t in self._tokens], np.int8)


class EZPointsEnv(PointsEnv):
    """Write a formula with two cards that equals 12.

    ## Description
    A picture shows two cards and a formula, which is empty at first. Each action appends a number
    or an operator to it, until "=" closes it. It should use the number of each card once and
    equal the target. An ace counts 1; J, Q and K count 10. Every deal can be won.

    ## Action Space
    `Discrete(13)`:

    | Action | Name        | Effect              |
    | ------ | ----------- | ------------------- |
    | 0 to 9 | "1" to "10" | append the number   |
    | 10, 11 | "+", "*"    | append the operator |
    | 12     | "="         | end the episode     |

    A number is refused where no unused card has it: a blank is appended in its place. Operators
    are never refused.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with both cards, and "Formula: …" below.

    ## Starting State
    The first card's rank is uniform in 2 to K. Where its value is 2, 3, 4 or 6, the second card's
    is 12 divided by it with probability 1/2; otherwise it is 12 minus it. Suits are uniform, and
    the two are swapped with probability 1/2. It is a quirk of the published game that the
    second card is never a J, Q or K.

    For another target the two ranks are uniform over all ordered pairs that reach it by + or *.

    `reset(options={"cards": ["HA", "CT"]})` sets the cards: a suit letter out of C, D, H, S and a
    rank out of A, 2 to 9, T, J, Q, K. Cards that cannot reach the target are taken as well.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 5 tokens;
    - 0 otherwise.

    Quirks of the published rules: formulas follow Python's arithmetic on the tokens' joined text,
    so that neighbouring numbers join (1, 2 is 12) unless a blank stands between them, two `*`
    make a power, and a leading + is a sign.

    ## Episode End
    - Termination: "=".
    - Truncation: an action meets a formula of more than 5 tokens, blanks included; it has no
      effect but the reward of -1. (The registered time limit of 300 steps is never reached.)

    ## Information
    - `Cards`: the codes of the cards, such as `["HA", "CT"]`;
    - `Numbers`: what they count; `Formula`: the tokens so far, numbers as integers;
    - `state`: `{"cards": "9 3", "current formula": "9+"}`;
    - `given`: `("current formula",)`, which the published prompt tells;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `target_points` (default 12): the value to reach; a value that no two cards reach is an
      error;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`.

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    def __init__(self, target_points: int = 12, render_mode: str | None = None) -> None:
        target_points = check_integer("target_points", target_points)
        self._pairs = pairs_reaching(target_points)
        if not self._pairs:
            raise ValueError(
                f"target_points={target_points}: expected a value that two cards of 1 to 10 reach "
                "by + or *; choose another, such as 12"
            )
        super().__init__(
            name="EZPoints",
            cards=2,
            operators=("+", "*", "="),
            max_length=5,
            faces_as_10=True,
            target_points=target_points,
            rules="published",
            inline=True,
            render_mode=render_mode,
        )

    def _deal(self) -> tuple[Card, ...]:
        if self.target_points == 12:
            return deal_twelve(self.np_random)
        ranks = self._pairs[int(self.np_random.integers(len(self._pairs)))]
        return tuple(Card(_suit(self.np_random), rank) for rank in ranks)


class Points24Env(PointsEnv):
    """Write a formula with four cards that equals 24.

    ## Description
    A picture shows four cards and a formula, which is empty at first. Each action appends a
    number, an operator or a bracket to it, until "=" closes it. It should use the number of each
    card once and equal the target. An ace counts 1; J, Q and K count 10 or, with
    `treat_face_cards_as_10=False`, 11, 12 and 13.

    26.9% of the deals have no solution (J, Q, K as 10); `solvable_only` leaves them out.

    ## Action Space
    `Discrete(17)`, or `Discrete(20)` with `treat_face_cards_as_10=False`:

    | Action             | Name                         | Effect                         |
    | ------------------ | ---------------------------- | ------------------------------ |
    | 0 to 9 (12)        | "1" to "10" ("13")           | append the number              |
    | 10 (13) to 15 (18) | "+", "-", "*", "/", "(", ")" | append the operator or bracket |
    | 16 (19)            | "="                          | end the episode                |

    A number is refused where no unused card has it: a blank is appended in its place. Operators
    and brackets are never refused.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards, and the formula below.

    ## Starting State
    Four cards, drawn independently, every rank and suit equally likely. With `solvable_only` the
    deal is repeated until the exact rules have a solution, so that it is uniform among those.

    `reset(options={"cards": ["H4", "CT", "S6", "DK"]})` sets the cards, solvable or not: a suit
    letter out of C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 20 tokens;
    - 0 otherwise.

    With `rules="published"` a formula is correct if it has used every card and equals the target
    in Python's arithmetic on the tokens' joined text. Its quirks: neighbouring numbers join (2, 4
    is 24) unless a blank stands between them, `**` and `//` work, so do signs, `2(3)` does
    not, and an exact 24 that floating point misses, such as `8/(3-8/3)`, does not count. The one
    departure: values of more than 4,096 bits and complex results count as wrong.

    With `rules="exact"` it is the game as people know it: four binary operations on the cards,
    brackets, exact fractions, and every card used once.

    ## Episode End
    - Termination: "=".
    - Truncation: an action meets a formula of more than 20 tokens, blanks included; it has no
      effect but the reward of -1. (The registered time limit of 300 steps is never reached.)

    ## Information
    - `Cards`: the codes of the cards, such as `["H4", "CT", "S6", "DK"]`;
    - `Numbers`: what they count; `Formula`: the tokens so far, numbers as integers;
    - `state`: `{"cards": "4 10 6 K", "current formula": "(4+"}`;
    - `given`: `("current formula",)`, which the published prompt tells;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `treat_face_cards_as_10` (default `True`): whether J, Q and K count 10;
    - `target_points` (default 24): the value to reach;
    - `rules` (default `"published"`): `"published"` or `"exact"`;
    - `solvable_only` (default `False`): whether to deal only hands with a solution by the exact
      rules; a target that no hand reaches is an error;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`.

    `gym_cards/Points24Exact-v0` is this game with `rules="exact"`.

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    def __init__(
        self,
        treat_face_cards_as_10: bool = True,
        target_points: int = 24,
        rules: Rules = "published",
        solvable_only: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if rules not in ("published", "exact"):
            raise ValueError(
                f"rules={rules!r}: expected 'published' or 'exact'; pass one of the two"
            )
        self.treat_face_cards_as_10 = check_flag("treat_face_cards_as_10", treat_face_cards_as_10)
        self.solvable_only = check_flag("solvable_only", solvable_only)
        super().__init__(
            name="Points24",
            cards=4,
            operators=("+", "-", "*", "/", "(", ")", "="),
            max_length=20,
            faces_as_10=self.treat_face_cards_as_10,
            target_points=check_integer("target_points", target_points),
            rules=rules,
            inline=False,
            render_mode=render_mode,
        )

        if self.solvable_only and not any(
            solver.is_solvable(hand, self.target_points)
            for hand in combinations_with_replacement(self._numbers_dealt, self._size)
        ):
            raise ValueError(
                f"target_points={target_points}: expected a value that some hand reaches, for "
                "solvable_only=True deals no other; choose another, such as 24"
            )

    def _deal(self) -> tuple[Card, ...]:
        while True:
            cards = tuple(deal(self.np_random) for _ in range(self._size))
            if not self.solvable_only or solver.is_solvable(
                self._values(cards), self.target_points
            ):
                return cards
