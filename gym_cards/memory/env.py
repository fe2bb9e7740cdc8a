"""Memory: find the pairs among cards that lie face down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from gym_cards.cards import Card
from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import check_cards, check_choice, check_integer, check_options
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.memory.exact import exact
from gym_cards.memory.picture import MemoryPicture, Shown
from gym_cards.memory.rules import (
    Face,
    Match,
    deal,
    face_of,
    known_pairs,
    most_pairs,
    name_of,
    partner,
)
from gym_cards.render.style import CardStyleOptions, RenderStyle

MOST_ROWS, MOST_COLUMNS, MOST_MISSES = 5, 6, 100


class MemoryEnv(CardGameEnv[Frame]):
    """Find the pairs among cards that lie face down.

    ## Description
    Each action turns up one card. Two cards make a turn: if they are a pair, two cards of the same
    rank, they leave the table with the next card that is turned up; if not, they are turned down
    again, which is a miss. The picture shows two faces at most, so that a player has to remember
    those of earlier pictures: one picture is not enough.

    A player who forgets nothing wins every episode, within 22 actions. With `vlm-agent`,
    `--history-length 21` therefore puts everything that such a player has seen into the prompt (13
    for `MemorySmall-v0`), and a smaller number takes a part of the memory away.

    ## Action Space
    `Discrete(rows * columns)`, 12 at first:

    | Action  | Name        | Effect                                                           |
    | ------- | ----------- | ---------------------------------------------------------------- |
    | 0 to 11 | "1" to "12" | turn up the card of this number; rows are counted from the top   |

    A number whose card is face up or has left the table is refused: nothing changes, but it counts
    as a miss. Cards that are shown are face up until another one is turned up.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards in rows, each with its number,
    and the misses that are left.

    ## Starting State
    Every pair has another rank, and its cards have different suits; ranks, suits and places are
    equally likely. With `match="card"` a pair is the same card twice, and cards of one rank need
    not be a pair.

    `reset(options={"cards": ["HQ", "C2", "S2", "DQ", …]})` sets the cards, row by row: a suit
    letter out of C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K. Each must have one partner.

    ## Rewards
    - `max_misses` for the last pair;
    - -1 for a miss: a second card that makes no pair, or a number that is refused;
    - 0 otherwise.

    So the return is the number of misses left if all pairs were found, and else `-max_misses`.

    ## Episode End
    Termination: all pairs are found, or no miss is left.

    ## Information
    - `Cards`: for each place the code of the card that is face up, such as `"HQ"`, or `"?"` if it
      is face down and `""` if it has left the table. No info tells what is face down;
    - `Misses Left`: their number;
    - `state`: `{"face-up cards": "Q at 3, 7 at 5", "face-down cards": "1 2 4 6", "misses left":
      "4"}`, with "none" for no card;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the sum of rewards so far is above 0, which is so if and only if all
      pairs were found;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `rows` (default 3): the number of rows, 2 to 5;
    - `columns` (default 4): the number of cards in a row, 2 to 6. The number of all cards must be
      even, and at most 26 with `match="rank"`;
    - `match` (default `"rank"`): `"rank"`, or `"card"` if suits count too;
    - `max_misses` (default `None`): the number of misses that end the game, 1 to 100. `None` is as
      many as there are pairs, which is always enough for a player who forgets nothing;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`. Cards that are moved or turned are smaller, and none
      covers another one.

    ## Variants
    | Id                         | Arguments           | What is new                    |
    | -------------------------- | ------------------- | ------------------------------ |
    | `gym_cards/MemorySmall-v0` | `rows=2`            | four pairs: less to remember   |
    | `gym_cards/MemoryLarge-v0` | `rows=4, columns=6` | twelve pairs: more to remember |

    ## Version History
    - v0: first version.

    ## References
    Velleman and Warrington, "What to Expect in a Game of Memory", The American Mathematical Monthly
    120 (9), 2013, on the best play and the number of turns that it takes.
    """

    picture: MemoryPicture
    state_fields: ClassVar[Fields] = {
        "face-up cards": attrgetter("_up_text"),
        "face-down cards": attrgetter("_down_text"),
        "misses left": lambda game: str(game._misses),
    }
    info_fields: ClassVar[Fields] = {
        "Cards": lambda game: game._codes.copy(),
        "Misses Left": attrgetter("_misses"),
    }

    def __init__(
        self,
        rows: int = 3,
        columns: int = 4,
        match: Match = "rank",
        max_misses: int | None = None,
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, game=type(self))
        self.rows = check_integer("rows", rows, least=2)
        self.columns = check_integer("columns", columns, least=2)
        check_choice("match", match, ("rank", "card"))
        self.match: Match = match
        places = self.rows * self.columns
        if self.rows > MOST_ROWS or self.columns > MOST_COLUMNS or places % 2:
            raise ValueError(
                f"rows={rows}, columns={columns}: expected at most {MOST_ROWS} rows of at most "
                f"{MOST_COLUMNS}, and an even number of cards; choose others, such as 4 rows of 6"
            )
        self._pairs = places // 2
        if self._pairs > most_pairs(match):
            raise ValueError(
                f"rows={rows}, columns={columns}: expected at most {2 * most_pairs(match)} cards "
                f"with match={match!r}; choose fewer, or match='card'"
            )
        allowed = self._pairs if max_misses is None else check_integer("max_misses", max_misses, 1)
        if allowed > MOST_MISSES:
            raise ValueError(
                f"max_misses={max_misses}: expected at most {MOST_MISSES}; choose fewer"
            )
        self.max_misses = allowed
        names = tuple(str(place + 1) for place in range(places))
        super().__init__(
            MemoryPicture(self.rows, self.columns, render_style),
            names,
            _description(self.rows, self.columns, match, self.max_misses),
            render_mode,
        )

    def expert(self) -> tuple[int, str]:
        """Returns the best card for a player who remembers all cards shown so far, and the reason.

        Hidden cards are not looked at.
        """
        self._require_start()
        action = self._best()
        return action, self.explain(action)

    def _start(self, parsed: tuple[Card, ...] | None) -> None:
        self._cards = parsed or deal(self.np_random, self._pairs, self.match)
        self._faces = [face_of(card, self.match) for card in self._cards]
        places = len(self._cards)
        # The cards seen in this episode that are not found yet.
        self._seen: dict[int, Face] = {}
        self._unseen = dict.fromkeys(range(places))
        # The cards of the turn, which is over if there are two; a found pair is not in `_seen`.
        self._turn: list[int] = []
        self._found = 0
        self._misses = self.max_misses
        self._codes = ["?"] * places
        self._mask = np.ones(places, np.int8)
        self._up_text = "none"
        self._down_text = " ".join(self.action_names)

    def _play(self, action: int) -> tuple[float, bool, bool]:
        if not self._mask[action]:
            return self._miss()
        turn = self._turn
        if len(turn) == 2:
            gone = turn[0] not in self._seen
            for place in turn:
                self._codes[place] = "" if gone else "?"
                self._mask[place] = not gone
                if not self._undrawn:
                    self.picture.turn(place, None if gone else "back")
            turn.clear()
        turn.append(action)
        card = self._cards[action]
        self._seen[action] = self._faces[action]
        self._unseen.pop(action, None)
        self._codes[action] = card.code
        self._mask[action] = 0
        self._tell()
        if not self._undrawn:
            self.picture.turn(action, card)
        if len(turn) < 2:
            return 0.0, False, False
        if self._faces[turn[0]] != self._faces[action]:
            return self._miss()
        for place in turn:
            del self._seen[place]
        self._found += 1
        over = self._found == self._pairs
        return (float(self.max_misses) if over else 0.0), over, False

    def _miss(self) -> tuple[float, bool, bool]:
        self._misses -= 1
        if not self._undrawn:
            self.picture.count(self._misses)
        return -1.0, self._misses == 0, False

    def _tell(self) -> None:
        """Sets the texts of the state."""
        self._up_text = ", ".join(
            [f"{name_of(self._cards[place], self.match)} at {place + 1}" for place in self._turn]
        )
        down = [
            name for name, code in zip(self.action_names, self._codes, strict=True) if code == "?"
        ]
        self._down_text = " ".join(down) or "none"

    def _draw(self) -> None:
        shown: list[Shown] = [
            "back" if code == "?" else card if code else None
            for code, card in zip(self._codes, self._cards, strict=True)
        ]
        self.picture.deal(shown, self._misses, self._jitter)

    def _parse(self, options: Mapping[str, Any]) -> tuple[Card, ...]:
        check_options(options, ("cards",))
        cards = check_cards("cards", options["cards"], self.rows * self.columns)
        counts = Counter(face_of(card, self.match) for card in cards)
        lonely = [card.code for card in cards if counts[face_of(card, self.match)] != 2]
        if lonely:
            raise ValueError(
                f"options['cards']={options['cards']!r}: expected pairs, of which each has another "
                f"rank, or is another card with match='card'; {', '.join(lonely)} have no partner "
                "or several"
            )
        return cards

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            self._seen,
            self._unseen,
            self._turn,
            self._turn[0] if len(self._turn) == 1 else None,
            places=len(self._cards),
            misses_left=self._misses,
            prize=float(self.max_misses),
            gamma=gamma,
        )

    def _best(self) -> int:
        """Returns the place of the best card."""
        if len(self._turn) == 1:
            other = partner(self._seen, self._turn[0])
            if other is not None:
                return other
        elif pairs := known_pairs(self._seen):
            # One of the cards may be face up, of the turn before.
            return next(place for place in pairs[0] if self._mask[place])
        # Nothing is unseen after the end of an episode.
        return next(iter(self._unseen), 0)

    def _explain(self, action: int) -> str:
        number = action + 1
        if not self._mask[action]:
            where = "has left the table" if not self._codes[action] else "is face up"
            return f"the card at {number} {where}, so that turning it up is a miss"
        other = partner(self._seen, action) if action in self._seen else None
        if len(self._turn) == 1:
            first = self._turn[0]
            known = f"{first + 1} is {self._name(first)}"
            if other == first:
                return f"{known} and {number} was too, so I turn up {number}"
            if action in self._seen:
                return f"{known} and {number} was {self._name(action)}, so I turn up {number}"
            return f"{known} and {number} has not been seen, so I turn up {number}"
        if action not in self._seen:
            return f"{number} has not been seen, so I turn up {number}"
        name = self._name(action)
        if other is None:
            return f"{number} was {name} and its partner has not been seen, so I turn up {number}"
        return f"{number} and {other + 1} were both {name}, so I turn up {number}"

    def _name(self, place: int) -> str:
        return name_of(self._cards[place], self.match)

    def _action_mask(self) -> NDArray[np.int8]:
        return self._mask

    def _settings(self) -> tuple[object, ...]:
        return (self.rows, self.columns, self.match, self.max_misses)


class MemoryVectorEnv(CardGameVectorEnv):
    """Batch of Memory games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = MemoryEnv


def _description(rows: int, columns: int, match: Match, misses: int) -> str:
    pair = "have the same rank" if match == "rank" else "are the same in rank and suit"
    end = "The first miss ends the game" if misses == 1 else f"With {misses} misses you lose"
    cards = rows * columns
    return (
        f"You are playing a game called memory. {cards} cards lie face down in {rows} rows of "
        f"{columns}, each with its number, 1 to {cards}. They are pairs: two cards that {pair}. "
        "Each turn you turn up two cards, one at a time, by choosing their numbers. A pair leaves "
        "the table when you turn up the next card; any other two cards are turned face down again "
        "then, and that is a miss. Choosing a card that is face up or has left the table is a miss "
        f"too. {end}. Your goal is to find all pairs; remember the cards that you saw in earlier "
        "pictures."
    )
