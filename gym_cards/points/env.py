"""EZPoints and Points24: write a formula with all cards that equals a target."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any, Literal, Unpack

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from gym_cards.cards import DECK, RANKS, Card, Suits, deal, dyed
from gym_cards.core.action_values import ActionValues
from gym_cards.core.env import (
    CardGameEnv,
    Frame,
    check_cards,
    check_choice,
    check_flag,
    check_integer,
    check_options,
    picture_space,
)
from gym_cards.points import exact, solver
from gym_cards.points.picture import PointsPicture
from gym_cards.points.rules import (
    REFUSED,
    Rules,
    Token,
    deals_of_twelve,
    is_correct,
    numbers_left,
    value,
)
from gym_cards.points.splits import Split, split_of
from gym_cards.render.style import CardStyleOptions, RenderStyle

Hands = Literal["any", "solvable", "unsolvable"]
Order = Literal["dealt", "ascending", "descending"]

_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def check_card_count(num_cards: object) -> int:
    """The number of cards of a points game.

    Raises:
        ValueError: If it is not a whole number from 2 to 6.
    """
    count = check_integer("num_cards", num_cards, least=2)
    if count not in _COUNTS:
        raise ValueError(f"num_cards={count}: expected 2 to {max(_COUNTS)}; choose fewer")
    return count


class PointsEnv(CardGameEnv[Frame]):
    """What EZPoints and Points24 share; each adds its operators, its limit and its looks.

    Args:
        name: What the task description calls the game.
        num_cards: How many cards are dealt, 2 to 6.
        operators: The texts of the actions that are not numbers, "=" last.
        max_length: A longer formula ends the episode.
        faces_as_10: Whether J, Q and K stand for 10, else for 11, 12 and 13.
        target_points: The value to reach.
        rules: What counts as a correct formula.
        hands: Which hands are dealt, by whether the target can be reached.
        split: Which part of the hands is dealt, as `gym_cards.points.splits` divides them.
        suits: Which suits the cards have.
        order: How they are laid out.
        inline: Whether the picture has the formula beside its label instead of below it.
        render_mode: As in Gymnasium.
        style: What the picture looks like.
    """

    given = ("current formula",)

    def __init__(
        self,
        *,
        name: str,
        num_cards: int,
        operators: tuple[str, ...],
        max_length: int,
        faces_as_10: bool,
        target_points: int,
        rules: Rules,
        hands: Hands,
        split: Split | None,
        suits: Suits,
        order: Order,
        inline: bool,
        render_mode: str | None,
        style: CardStyleOptions,
    ) -> None:
        super().__init__(render_mode, RenderStyle.of(style, cards=True, game=type(self)))
        check_choice("hands", hands, ("any", "solvable", "unsolvable"))
        check_choice("split", split, (None, "train", "test"))
        check_choice("suits", suits, ("any", "red", "black"))
        check_choice("order", order, ("dealt", "ascending", "descending"))
        self.target_points = target_points
        self.num_cards = num_cards
        self.rules: Rules = rules
        self.hands: Hands = hands
        self.split: Split | None = split
        self.suits: Suits = suits
        self.order: Order = order
        self._max_length = max_length
        self._faces_as_10 = faces_as_10
        self._operators = operators
        self._numbers_dealt = range(1, 11 if faces_as_10 else 14)
        self._told = _told(faces_as_10)
        self._tokens: tuple[Token, ...] = (*self._numbers_dealt, *operators)
        self.action_names = tuple(map(str, self._tokens))
        self._operators_mask = np.array([isinstance(t, str) for t in self._tokens], np.int8)
        self.action_space = spaces.Discrete(len(self._tokens))
        self.observation_space = picture_space(self.style)
        self.picture: PointsPicture = PointsPicture(num_cards, inline=inline, style=self.style)
        faces = "J, Q and K count 10" if faces_as_10 else "J, Q and K count 11, 12 and 13"
        signs = ", ".join(f'"{sign}"' for sign in operators)
        self.task_description = (
            f"You are playing a game called {name}. You see {_COUNTS[num_cards]} cards and the "
            f"formula so far. An ace counts 1 and {faces}. Each turn you append one entry to the "
            f"formula: a number or one of {signs}. A number that no unused card shows is refused: "
            "it costs a point, and a blank is appended in its place. When the formula is complete, "
            'choose "=", which ends the game; a formula of more than '
            f"{max_length} entries, blanks included, is lost. Your goal is a formula that uses the "
            f"number of every card exactly once and equals {target_points}."
        )
        self._require_hands()

    def expert(self) -> tuple[int, str]:
        """The next token of the best formula, and why; without hope it ends the episode."""
        self._require_start()
        rest = self._plan(self._formula)
        action = self.action_names.index(str(rest[0]))
        return action, self._reason(rest)

    def _exact(self, gamma: float) -> ActionValues:
        return exact.exact(
            self._formula,
            self._numbers,
            self.target_points,
            actions=self._tokens,
            max_length=self._max_length,
            rules=self.rules,
            gamma=gamma,
        )

    def explain(self, action: np.int64 | int) -> str:
        """The sorted numbers, and a plan for the rest of the formula that begins with the action.

        Where the action leaves no way to the target, the plan is to end the episode after it.
        """
        self._require_start()
        token = self._tokens[self.index_of(action)]
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
        return token if isinstance(token, str) or token in self._left else REFUSED

    def _values(self, cards: Sequence[Card]) -> list[int]:
        """The numbers that cards stand for."""
        return [value(card, faces_as_10=self._faces_as_10) for card in cards]

    def _is_dealt(self, cards: Sequence[Card]) -> bool:
        """Whether a hand is one of those that are dealt."""
        if self.split is not None and split_of(cards) != self.split:
            return False
        return self.hands == "any" or self._is_solvable(cards) == (self.hands == "solvable")

    def _is_solvable(self, cards: Sequence[Card]) -> bool:
        """Whether the exact rules have a solution."""
        return solver.is_solvable(
            self._values(cards),
            self.target_points,
            "".join(sign for sign in self._operators if sign in "+-*/"),
            parentheses="(" in self._operators,
        )

    def _deal(self, np_random: np.random.Generator) -> tuple[Card, ...]:
        """Draws until a hand is among those that are dealt."""
        while True:
            cards = deal(np_random, self.num_cards)
            if self._is_dealt(cards):
                return cards

    def _require_hands(self) -> None:
        """Makes sure that there is something to deal.

        Raises:
            ValueError: If there is not, or next to nothing.
        """
        if self.hands == "any" and self.split is None:
            return
        candidates: Iterator[tuple[Card, ...]]
        if self.num_cards <= 4:
            ranks = combinations_with_replacement(RANKS, self.num_cards)
            candidates = (tuple(Card("C", rank) for rank in hand) for hand in ranks)
        else:
            # Too many to look at each, so deals are tried, with a generator of their own. They are
            # enough to find what is not too rare to be dealt.
            tries = 200 if self.num_cards == 5 else 3
            np_random = np.random.default_rng(0)
            candidates = (deal(np_random, self.num_cards) for _ in range(tries))
        if not any(map(self._is_dealt, candidates)):
            raise ValueError(
                f"target_points={self.target_points}, hands={self.hands!r}, split={self.split!r}: "
                f"expected arguments for which there are hands of {self.num_cards} cards to deal, "
                "and there are none, or too few; choose another target, such as 24, or other hands"
            )

    def _settings(self) -> tuple[object, ...]:
        return (self.rules, self.hands, self.split, self.suits, self.order, self.target_points)

    def _start(self, parsed: tuple[Card, ...] | None) -> None:
        if parsed is not None:
            self._hold(parsed)
            return
        cards = dyed(self._deal(self.np_random), self.suits)
        if self.order != "dealt":
            cards = tuple(
                sorted(cards, key=lambda card: card.rank, reverse=self.order == "descending")
            )
        self._hold(cards)

    def _hold(self, cards: tuple[Card, ...], formula: Sequence[Token] = ()) -> None:
        """Sets the state."""
        self._cards = cards
        self._formula = list(formula)
        # What follows from the above, kept up to date since infos tell it after every step.
        told = [self._told[card] for card in cards]
        self._numbers = [number for number, _, _ in told]
        self._codes = [code for _, code, _ in told]
        self._labels = " ".join([label for _, _, label in told])
        self._left = numbers_left(self._numbers, formula)
        self._text = "".join(map(str, formula)) if formula else ""
        self._mask = self._operators_mask.copy()
        for number in self._left:
            self._mask[number - 1] = 1

    def _parse(self, options: Mapping[str, Any]) -> tuple[Card, ...]:
        check_options(options, ("cards",))
        cards = check_cards("cards", options["cards"])
        if len(cards) != self.num_cards:
            raise ValueError(
                f"options['cards']={options['cards']!r}: expected {self.num_cards} cards, got "
                f"{len(cards)}; pass as many as the game deals"
            )
        return cards

    def _play(self, action: int) -> tuple[float, bool, bool]:
        # The published order: the length is looked at before the action, which then has no effect.
        if len(self._formula) > self._max_length:
            return -1.0, False, True
        token = self._accepted(self._tokens[action])
        if token == "=":
            won = is_correct(self._formula, self._numbers, self.target_points, self.rules)
            return (10.0 if won else -1.0), True, False
        if isinstance(token, int):
            self._left.remove(token)
            self._mask[action] = token in self._left
        self._formula.append(token)
        self._text += str(token)
        self.picture.append(str(token))
        return (-1.0 if token == REFUSED else 0.0), False, False

    def _draw(self) -> None:
        self.picture.deal(self._cards, self._jitter)
        for token in self._formula:
            self.picture.append(str(token))

    def _save(self) -> dict[str, Any]:
        return {"cards": list(self._codes), "formula": list(self._formula)}

    def _load(self, saved: Mapping[str, Any]) -> None:
        self._hold(tuple(map(Card.parse, saved["cards"])), saved["formula"])

    def _state(self) -> dict[str, str]:
        return {"cards": self._labels, "current formula": self._text}

    def _published_info(self) -> dict[str, Any]:
        return {
            "Cards": self._codes.copy(),
            "Numbers": self._numbers.copy(),
            "Formula": self._formula.copy(),
        }

    def _action_mask(self) -> NDArray[np.int8]:
        return self._mask

    @staticmethod
    def _columns(games: Sequence[Any]) -> dict[str, Any]:
        return {
            "Cards": [game._codes.copy() for game in games],
            "Numbers": [game._numbers.copy() for game in games],
            "Formula": [game._formula.copy() for game in games],
            "state": {
                "cards": [game._labels for game in games],
                "current formula": [game._text for game in games],
            },
        }


@functools.cache
def _told(faces_as_10: bool) -> dict[Card, tuple[int, str, str]]:
    """What infos tell of each card: its number, its code and its label."""
    return {card: (value(card, faces_as_10=faces_as_10), card.code, card.label) for card in DECK}


class EZPointsEnv(PointsEnv):
    """Write a formula with two cards that equals 12.

    ## Description
    A picture shows two cards and a formula, which is empty at first. Each action appends a number
    or an operator to it, until "=" closes it. It should use the number of each card once and
    equal the target. An ace counts 1; J, Q and K count 10 or, with `treat_face_cards_as_10=False`,
    11, 12 and 13. Every deal can be won, as long as `hands` is "solvable".

    ## Action Space
    `Discrete(13)`, or `Discrete(16)` with `treat_face_cards_as_10=False`:

    | Action           | Name               | Effect              |
    | ---------------- | ------------------ | ------------------- |
    | 0 to 9 (12)      | "1" to "10" ("13") | append the number   |
    | 10, 11 (13, 14)  | "+", "*"           | append the operator |
    | 12 (15)          | "="                | end the episode     |

    A number is refused where no unused card has it: a blank is appended in its place. Operators
    are never refused.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards, and "Formula: …" below.

    ## Starting State
    The first card's rank is uniform in 2 to K. Where its value is 2, 3, 4 or 6, the second card's
    is 12 divided by it with probability 1/2; otherwise it is 12 minus it. Suits are uniform, and
    the two are swapped with probability 1/2. It is a quirk of the published game that the
    second card is never a J, Q or K.

    With another target, more cards, faces as 11 to 13, or other `hands`, cards are drawn
    independently, every rank and suit equally likely, until `hands` allows them: the ranks are then
    uniform over all ordered hands that it allows. What counts as solvable are formulas of + and *.
    `split` leaves out the hands of the other part, and the rest as likely as they were to each
    other.

    `reset(options={"cards": ["HA", "CT"]})` sets the cards: a suit letter out of C, D, H, S and a
    rank out of A, 2 to 9, T, J, Q, K. Cards that cannot reach the target are taken as well.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 5 tokens, or `2 * num_cards + 1`;
    - 0 otherwise.

    Quirks of the published rules: formulas follow Python's arithmetic on the tokens' joined text,
    so that neighbouring numbers join (1, 2 is 12) unless a blank stands between them, two `*`
    make a power, and a leading + is a sign.

    ## Episode End
    - Termination: "=".
    - Truncation: an action meets a formula of more than 5 tokens (`2 * num_cards + 1`), blanks
      included; it has no effect but the reward of -1. (The registered
      time limit of 300 steps is never reached.)

    ## Information
    - `Cards`: the codes of the cards, such as `["HA", "CT"]`;
    - `Numbers`: what they count; `Formula`: the tokens so far, numbers as integers;
    - `state`: `{"cards": "9 3", "current formula": "9+"}`;
    - `given`: `("current formula",)`, which the published prompt tells;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `target_points` (default 12): the value to reach; a value that no hand reaches is an error;
    - `treat_face_cards_as_10` (default `True`): whether J, Q and K count 10;
    - `num_cards` (default 2): how many cards are dealt, 2 to 6;
    - `hands` (default `"solvable"`): `"solvable"`, `"unsolvable"` or `"any"`;
    - `split` (default `None`): `"train"` or `"test"` for one part of the hands, as
      `gym_cards.points.splits` divides them;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `order` (default `"dealt"`): `"ascending"` or `"descending"` to lay the cards out by rank;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): what the picture looks like, as in
      `gym_cards.render.style.RenderStyle`.

    ## Variants
    | Id                           | Arguments       | What is new                          |
    | ---------------------------- | --------------- | ------------------------------------ |
    | `gym_cards/EZPointsTrain-v0` | `split="train"` | hands to learn from                  |
    | `gym_cards/EZPointsTest-v0`  | `split="test"`  | hands that are in no train episode   |

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    def __init__(
        self,
        target_points: int = 12,
        treat_face_cards_as_10: bool = True,
        num_cards: int = 2,
        hands: Hands = "solvable",
        split: Split | None = None,
        suits: Suits = "any",
        order: Order = "dealt",
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        num_cards = check_card_count(num_cards)
        super().__init__(
            name="EZPoints",
            num_cards=num_cards,
            operators=("+", "*", "="),
            max_length=2 * num_cards + 1,
            faces_as_10=check_flag("treat_face_cards_as_10", treat_face_cards_as_10),
            target_points=check_integer("target_points", target_points),
            rules="published",
            hands=hands,
            split=split,
            suits=suits,
            order=order,
            inline=True,
            render_mode=render_mode,
            style=style,
        )

    def _deal(self, np_random: np.random.Generator) -> tuple[Card, ...]:
        standard = (self.target_points, self.num_cards, self.hands) == (12, 2, "solvable")
        if not (standard and self._faces_as_10):
            return super()._deal(np_random)
        deals = deals_of_twelve()
        while True:
            cards = deals[np_random.integers(len(deals))]
            if self.split is None or split_of(cards) == self.split:
                return cards


class Points24Env(PointsEnv):
    """Write a formula with four cards that equals 24.

    ## Description
    A picture shows four cards and a formula, which is empty at first. Each action appends a
    number, an operator or a bracket to it, until "=" closes it. It should use the number of each
    card once and equal the target. An ace counts 1; J, Q and K count 10 or, with
    `treat_face_cards_as_10=False`, 11, 12 and 13.

    26.9% of the deals have no solution (J, Q, K as 10); `hands="solvable"` leaves them out.

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
    Four cards, drawn independently, every rank and suit equally likely. With `hands` or `split` the
    deal is repeated until it is of the kind wanted, so that it is uniform among those. Solvable is
    what has a solution by the exact rules.

    `reset(options={"cards": ["H4", "CT", "S6", "DK"]})` sets the cards, solvable or not: a suit
    letter out of C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 20 tokens, or `5 * num_cards`;
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
    - Truncation: an action meets a formula of more than 20 tokens (`5 * num_cards`), blanks
      included; it has no effect but the reward of -1. (The registered
      time limit of 300 steps is never reached.)

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
    - `num_cards` (default 4): how many cards are dealt, 2 to 6;
    - `hands` (default `"any"`): `"any"`, `"solvable"` or `"unsolvable"`; arguments for which no
      hand can be dealt are an error. With six cards it takes a moment to know a hand;
    - `split` (default `None`): `"train"` or `"test"` for one part of the hands, as
      `gym_cards.points.splits` divides them;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `order` (default `"dealt"`): `"ascending"` or `"descending"` to lay the cards out by rank;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): what the picture looks like, as in
      `gym_cards.render.style.RenderStyle`.

    ## Variants
    | Id                                 | Arguments                         | What is new       |
    | ---------------------------------- | --------------------------------- | ----------------- |
    | `gym_cards/Points24Exact-v0`       | `rules="exact"`                   | no quirks         |
    | `gym_cards/Points24Train-v0`       | `hands="solvable", split="train"` | hands to learn by |
    | `gym_cards/Points24Test-v0`        | `hands="solvable", split="test"`  | unseen hands      |
    | `gym_cards/Points24Faces-v0`       | `treat_face_cards_as_10=False`    | another rule      |
    | `gym_cards/Points24Black-v0`       | `suits="black"`                   | suits to learn by |
    | `gym_cards/Points24Red-v0`         | `suits="red"`                     | unseen suits      |
    | `gym_cards/Points24FourColours-v0` | `four_colours=True`               | unseen colours    |

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
        num_cards: int = 4,
        hands: Hands = "any",
        split: Split | None = None,
        suits: Suits = "any",
        order: Order = "dealt",
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        check_choice("rules", rules, ("published", "exact"))
        num_cards = check_card_count(num_cards)
        self.treat_face_cards_as_10 = check_flag("treat_face_cards_as_10", treat_face_cards_as_10)
        super().__init__(
            name="Points24",
            num_cards=num_cards,
            operators=("+", "-", "*", "/", "(", ")", "="),
            max_length=5 * num_cards,
            faces_as_10=self.treat_face_cards_as_10,
            target_points=check_integer("target_points", target_points),
            rules=rules,
            hands=hands,
            split=split,
            suits=suits,
            order=order,
            inline=False,
            render_mode=render_mode,
            style=style,
        )
