"""Base class of EZPoints and Points24."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gym_cards.cards import DECK, Card, Suits, dyed
from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import (
    check_cards,
    check_choice,
    check_flag,
    check_integer,
    check_options,
)
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.points.dealer import Dealer, Hands
from gym_cards.points.exact import exact
from gym_cards.points.formula import text_as_read, words_as_read
from gym_cards.points.picture import PointsPicture
from gym_cards.points.rules import (
    MOST_CARDS,
    GameRules,
    Notation,
    Rules,
    Token,
    accepted,
    description,
    is_correct,
    play,
    value,
)
from gym_cards.points.search import MOST_CARDS_SEARCHED, Search, search
from gym_cards.points.solver import complete, fewest_tokens
from gym_cards.points.splits import Split
from gym_cards.render.style import CardStyleOptions, RenderStyle

Order = Literal["dealt", "ascending", "descending"]
Reasons = Literal["plan", "search"]
# With brackets. The search for a way to win takes fractions of a second, and seconds with more.
_MOST_CARDS_PROVED = {"published": 4, "exact": 5}


class PointsEnv(CardGameEnv[Frame]):
    """A points game: the player writes a formula with all cards that equals a target.

    Args:
        game: What distinguishes EZPoints and Points24.
        num_cards: The number of cards dealt, 2 to 6.
        treat_face_cards_as_10: Whether J, Q and K stand for 10, else for 11, 12 and 13.
        target_points: The value to reach.
        rules: What counts as a correct formula.
        hands: Which hands are dealt, by whether the target can be reached.
        split: Which part of the hands is dealt, as `gym_cards.points.splits` divides them.
        suits: Which suits the cards have.
        order: How the cards are laid out.
        notation: How the picture and the state write the formula.
        end_when_lost: Whether the episode ends as soon as it cannot be won any more.
        reasons: Whether the expert's reasons are its plan alone, or also the search for it. A game
            has to have all four operations and brackets for that.
        inline: Whether the picture has the formula next to its label instead of below it.
        render_mode: `None`, "rgb_array" or "human".
        style: The style of the picture.
    """

    picture: PointsPicture
    given = ("current formula",)
    state_fields: ClassVar[Fields] = {
        "cards": attrgetter("_labels"),
        "current formula": attrgetter("_text"),
    }
    info_fields: ClassVar[Fields] = {
        "Cards": lambda game: game._codes.copy(),
        "Numbers": lambda game: game._numbers.copy(),
        "Formula": lambda game: game._formula.copy(),
    }

    def __init__(
        self,
        game: GameRules,
        *,
        num_cards: int,
        treat_face_cards_as_10: bool,
        target_points: int,
        rules: Rules,
        hands: Hands,
        split: Split | None,
        suits: Suits,
        order: Order,
        notation: Notation,
        end_when_lost: bool,
        reasons: Reasons,
        inline: bool,
        render_mode: str | None,
        style: CardStyleOptions,
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, game=type(self))
        self.num_cards = check_integer("num_cards", num_cards, least=2)
        if self.num_cards > MOST_CARDS:
            raise ValueError(f"num_cards={num_cards}: expected 2 to {MOST_CARDS}; choose fewer")
        self.target_points = check_integer("target_points", target_points)
        self.treat_face_cards_as_10 = check_flag("treat_face_cards_as_10", treat_face_cards_as_10)
        check_choice("rules", rules, ("published", "exact"))
        check_choice("hands", hands, ("any", "solvable", "unsolvable"))
        check_choice("split", split, (None, "train", "test"))
        check_choice("suits", suits, ("any", "red", "black"))
        check_choice("order", order, ("dealt", "ascending", "descending"))
        check_choice("notation", notation, ("published", "as_read"))
        self.end_when_lost = check_flag("end_when_lost", end_when_lost)
        most = _MOST_CARDS_PROVED[rules] if game.parentheses else MOST_CARDS
        if self.end_when_lost and self.num_cards > most:
            raise ValueError(
                f"end_when_lost=True with num_cards={num_cards} and rules={rules!r}: it takes too "
                f"long to prove a formula lost; use at most {most} cards"
            )
        check_choice("reasons", reasons, ("plan", "search"))
        if reasons == "search" and self.num_cards > MOST_CARDS_SEARCHED:
            raise ValueError(
                f"reasons='search' with num_cards={num_cards}: expected at most "
                f"{MOST_CARDS_SEARCHED} cards; deal fewer, or use reasons='plan'"
            )
        self.reasons: Reasons = reasons
        self.rules: Rules = rules
        self.notation: Notation = notation
        self.hands: Hands = hands
        self.split: Split | None = split
        self.suits: Suits = suits
        self.order: Order = order
        faces_as_10 = self.treat_face_cards_as_10
        self._game = game
        self._dealer = Dealer(game, self.num_cards, self.target_points, faces_as_10, hands, split)
        self._max_length = game.max_length(self.num_cards)
        self._entries = _entries(faces_as_10)
        self._tokens: tuple[Token, ...] = (*range(1, 11 if faces_as_10 else 14), *game.operators)
        self._operators_mask = np.array([isinstance(t, str) for t in self._tokens], np.int8)
        super().__init__(
            PointsPicture(self.num_cards, inline=inline, style=render_style),
            tuple(map(str, self._tokens)),
            description(
                game,
                self.num_cards,
                self.target_points,
                faces_as_10=faces_as_10,
                rules=rules,
                notation=notation,
                end_when_lost=end_when_lost,
            ),
            render_mode,
        )

    def expert(self) -> tuple[int, str]:
        """Returns the next token of the canonical formula, and the reason.

        Where the target cannot be reached any more, the token is "=", which ends the episode. With
        `reasons="search"` the formula is one that a search finds, which the reason for the first
        token writes out.
        """
        self._require_start()
        rest = self._plan(self._formula)
        return self.action_names.index(str(rest[0])), self._reason(rest)

    def _start(self, parsed: tuple[Card, ...] | None) -> None:
        cards = parsed or dyed(self._dealer.deal(self.np_random), self.suits)
        if parsed is None and self.order != "dealt":
            backwards = self.order == "descending"
            cards = tuple(sorted(cards, key=lambda card: card.rank, reverse=backwards))
        self._cards = cards
        self._formula: list[Token] = []
        # The formula as the picture shows it, and as the state tells it.
        self._words: list[str] = []
        self._text = ""
        # The last plan, with the formula before it, and the length of that formula.
        self._planned: tuple[str, ...] | None = None
        self._plan_from = 0
        # The rest is what infos contain of the cards.
        entries = [self._entries[card] for card in cards]
        self._numbers = [number for number, _, _ in entries]
        self._codes = [code for _, code, _ in entries]
        self._labels = " ".join([label for _, _, label in entries])
        self._left = self._numbers.copy()
        self._mask = self._operators_mask.copy()
        for number in self._left:
            self._mask[number - 1] = 1
        self._found: Search | None = None
        self._search_seed: int | None = None
        if self.reasons == "search":
            # Derived rather than drawn, so that reasons do not change which episodes a seed gives.
            state = repr(self.np_random.bit_generator.state)
            self._search_seed = zlib.crc32(state.encode())

    def _searched(self) -> Search | None:
        """Returns the search of this hand, if the expert writes one and it finds a formula."""
        if self._search_seed is not None:
            self._found = search(self._numbers, self.target_points, self._search_seed)
            self._search_seed = None
        return self._found

    def _play(self, action: int) -> tuple[float, bool, bool]:
        token, reward, terminated, truncated = play(
            self._tokens[action],
            self._formula,
            self._numbers,
            self._left,
            target=self.target_points,
            max_length=self._max_length,
            rules=self.rules,
        )
        if token is not None:
            if isinstance(token, int):
                self._left.remove(token)
                self._mask[action] = token in self._left
            self._formula.append(token)
            self._write(str(token))
            if self.end_when_lost and self._is_lost():
                return reward - 1.0, True, False
        return reward, terminated, truncated

    def _is_lost(self) -> bool:
        """Returns whether no formula that begins like this one wins."""
        if len(self._formula) > self._max_length:
            return True
        if self._plan(self._formula)[0] != "=":
            return False
        if is_correct(self._formula, self._numbers, self.target_points, self.rules):
            return False
        # By the published rules there are formulas that no expert would write.
        return self.rules == "exact" or (
            fewest_tokens(
                self._formula,
                self._numbers,
                self.target_points,
                max_tokens=self._max_length,
                operators=self._game.signs,
                parentheses=self._game.parentheses,
            )
            is None
        )

    def _draw(self) -> None:
        self.picture.deal(self._cards, self._jitter)
        for text in self._words:
            self.picture.append(text)

    def _write(self, token: str) -> None:
        """Writes the token that was appended last."""
        if self.notation == "published":
            self._words.append(token)
            self._text += token
        else:
            before = len(self._words)
            self._words = words_as_read(self._formula, joins=self.rules == "published")
            self._text = text_as_read(self._words)
            if len(self._words) == before:
                # It became part of the last word.
                if not self._undrawn:
                    self.picture.rewrite(self._words)
                return
        if not self._undrawn:
            self.picture.append(self._words[-1])

    def _parse(self, options: Mapping[str, Any]) -> tuple[Card, ...]:
        check_options(options, ("cards",))
        return check_cards("cards", options["cards"], self.num_cards)

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            self._formula,
            self._numbers,
            self.target_points,
            actions=self._tokens,
            max_length=self._max_length,
            rules=self.rules,
            gamma=gamma,
            end_when_lost=self.end_when_lost,
        )

    def _explain(self, action: int) -> str:
        """Returns the sorted numbers, and a plan for the formula that begins with the action.

        If the action leaves no way to the target, the plan is to end the episode after it.
        """
        token = self._tokens[action]
        if token == "=":
            return self._reason([token])
        return self._reason([token, *self._plan([*self._formula, accepted(token, self._left)])])

    def _reason(self, rest: Sequence[Token]) -> str:
        numbers, plan = " ".join(map(str, sorted(self._numbers))), tuple(map(str, rest))
        words, found = "", self._searched()
        if found is not None and not self._formula and plan == (*found.plan, "="):
            words = f"{found.words}, "
        return f"sorted {numbers}, {words}rest {''.join(plan)}"

    def _plan(self, formula: Sequence[Token]) -> tuple[str, ...]:
        """Returns what the expert would append to a formula, "=" included.

        The rest of a plan is the plan after its first tokens (`complete`), so that whoever follows
        it costs one search: for the hand, and after each token that is off the plan. Searches from
        the empty formula are cached for all games.
        """
        tokens = tuple(map(str, formula))
        known, start = self._planned, self._plan_from
        if known is None or len(tokens) < start or known[: len(tokens)] != tokens:
            found = self._searched()
            if found is not None and found.plan[: len(tokens)] == tokens:
                rest: tuple[str, ...] | None = found.plan[len(tokens) :]
            else:
                rest = complete(
                    tokens,
                    self._numbers,
                    self.target_points,
                    max_tokens=self._max_length,
                    operators=self._game.signs,
                    parentheses=self._game.parentheses,
                    floating_point=self.rules == "published",
                )
            known = (*tokens, *(rest or ()), "=")
            self._planned, self._plan_from = known, len(tokens)
        return known[len(tokens) :]

    def _action_mask(self) -> NDArray[np.int8]:
        return self._mask

    def _settings(self) -> tuple[object, ...]:
        dealt = (self.hands, self.split, self.suits, self.order)
        return (self.rules, *dealt, self.target_points, self.reasons)


@functools.cache
def _entries(faces_as_10: bool) -> dict[Card, tuple[int, str, str]]:
    """Returns what infos contain of each card: its number, its code and its label."""
    return {card: (value(card, faces_as_10=faces_as_10), card.code, card.label) for card in DECK}
