"""FreeCell: bring all cards to the foundations, with a few cells to put cards aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from gym_cards.cards import RANKS, Card
from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import check_integer, check_options
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.freecell.advice import Plan, Planner, fallback, outlook, reason, suits_text
from gym_cards.freecell.deals import check_solvable, draw
from gym_cards.freecell.exact import REFUSED, SOLVED, exact
from gym_cards.freecell.picture import FreeCellPicture
from gym_cards.freecell.rules import (
    CARDS,
    CODES,
    NAMES,
    SUITS,
    Board,
    Size,
    deal,
    moves_of,
    names_of,
)
from gym_cards.freecell.solver import move_of
from gym_cards.render.style import CardStyleOptions, RenderStyle

# As many deals as Microsoft's FreeCell had at first.
_LARGEST_DEAL = 32_000
_CARD_CODES = (*("",) * 4, *(CARDS[number].code for number in range(4, 56)))


class FreeCellEnv(CardGameEnv[Frame]):
    """Bring all cards to the foundations, with a few cells to put cards aside.

    ## Description
    All cards lie open in columns. Each action moves one card: the top card of a column, which is
    the one that no other covers and is drawn lowest, or the card in a cell. It may go

    - to a free cell;
    - onto the top card of a column that is one rank higher and of the other colour: hearts and
      diamonds are red, spades and clubs black, also where they are drawn in four colours;
    - to an empty column;
    - to the foundation of its suit, where the cards lie in order, from the ace on. There it stays.

    Nothing is hidden and nothing left to chance: this is a game of planning ahead. As registered it
    has 24 cards, the ace to 6 of each suit, in six columns, with two cells: every index can be read
    in a picture of 300 pixels, and a shortest solution takes about 30 moves. Variants go from 8
    cards, in about 10 moves, to the 52 that people play with, in about 150. No card moves by
    itself, and none moves together with others: each picture follows from one action.

    ## Action Space
    `Discrete((num_columns + num_cells) * (num_columns + 1))`: `Discrete(56)` as registered. The
    moves of column 1 come first, then those of the other columns and of the cells:

    | Name                        | Effect                                      |
    | --------------------------- | ------------------------------------------- |
    | "column 1 to column 2", …   | onto a card, or to an empty column          |
    | "column 1 to cell", …       | to the first free cell; all cells are alike |
    | "column 1 to foundation", … | to the foundation of the card's suit        |
    | "cell 1 to column 1", …     | from a cell to a column                     |
    | "cell 1 to foundation", …   | from a cell to the foundation               |

    A move that the rules forbid is refused: nothing changes.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cells in the upper left, the
    foundations in the upper right, in the order spades, hearts, clubs, diamonds, and below them the
    columns under their numbers. A card that others lie on shows rank and suit side by side.

    ## Starting State
    One of the deals 1 to 5,000, each equally likely, except for those that the package's solver
    does not solve: they are never dealt. Of those of 24 cards it solves all, of those of 8 all but
    16, which have no solution, and of those of 52 all but 153, which people may solve. The
    lists are part of the package; deals of other sizes are solved when they are drawn. Those of 52
    cards are numbered as in Microsoft's FreeCell.

    `reset(options={"deal": 617})` chooses a deal, solvable or not, from 1 to 32,000.
    `reset(options={"columns": ["H2 SA", "", …], "cells": ["D4"]})` sets the cards in every column,
    the top card last, and those in cells, by a suit letter out of C, D, H, S and a rank out of A,
    2 to 9, T, J, Q, K. All others are on the foundations. The infos' `Columns` and `Cells` have
    this form.

    ## Rewards
    - +10 for the move that brings the last card home;
    - -0.02 for a move that is refused, so little that a solved game always counts as a success;
    - 0 otherwise.

    ## Episode End
    - Termination: all cards are on the foundations, or no move is allowed.
    - Truncation: five moves for each card were made, refused ones included: 120 as registered,
      40 with 8 cards and 260 with 52.

    ## Information
    - `Columns`: the codes of the cards in each column, the top card last, such as `"S6 H5"`;
    - `Cells`, `Foundations`: the codes of the card in each cell and of the highest on each
      foundation, "" for none; `Moves`: how many moves were made;
    - `state`: `{"foundations": "2S - AC -", "cells": "4D -", "columns": "1: 6S 5H | 2: -"}`: each
      card by its rank and suit, and the columns from the covered cards to the top card;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the sum of rewards so far is above 0: whether all cards are home;
    - `action_mask`: 1 for the moves that the rules allow, else 0.

    ## Arguments
    - `num_suits` (default 4): 2 to 4: spades and hearts, then clubs, then diamonds;
    - `num_ranks` (default 6): cards of a suit, 2 to 13, from the ace on;
    - `num_columns` (default 6): 3 to 8;
    - `num_cells` (default 2): 1 to 4. Sizes whose first deals the solver does not solve are an
      error;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`. With jitter a card keeps its tilt when it moves. In
      pictures of 300 pixels 52 cards are small, and columns of more than 13 hide some of each.

    ## Variants
    | Id | Arguments | What is new |
    | --- | --- | --- |
    | `gym_cards/FreeCellTiny-v0` | `num_suits=2, num_ranks=4, num_columns=3, num_cells=1` | tiny |
    | `gym_cards/FreeCellFull-v0` | `num_ranks=13, num_columns=8, num_cells=4, size=600` | full |

    ## Version History
    - v0: the first one.

    ## References
    - Paul Alfille invented the game; Jim Horne's version for Microsoft numbered the deals.
    - Heineman's measure, cards on top of those that go home next, is part of the solver's, after
      Elyasaf, Hauptman and Sipper, "Evolutionary Design of FreeCell Solvers", 2012.
    """

    picture: FreeCellPicture
    state_fields: ClassVar[Fields] = {
        "foundations": attrgetter("_home_text"),
        "cells": lambda game: " ".join([NAMES[card] for card in game._board.cells]),
        "columns": lambda game: " | ".join(game._column_texts),
    }
    info_fields: ClassVar[Fields] = {
        "Columns": lambda game: game._column_codes.copy(),
        "Cells": lambda game: [_CARD_CODES[card] for card in game._board.cells],
        "Foundations": lambda game: game._home_codes.copy(),
        "Moves": attrgetter("_moves"),
    }

    def __init__(
        self,
        num_suits: int = 4,
        num_ranks: int = 6,
        num_columns: int = 6,
        num_cells: int = 2,
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, game=type(self))
        self.game_size = Size(
            _between("num_suits", num_suits, 2, 4),
            _between("num_ranks", num_ranks, 2, 13),
            _between("num_columns", num_columns, 3, 8),
            _between("num_cells", num_cells, 1, 4),
        )
        check_solvable(self.game_size)
        self.max_moves = self.game_size.max_moves
        self._all_moves = moves_of(self.game_size)
        super().__init__(
            FreeCellPicture(self.game_size, render_style),
            names_of(self.game_size),
            _description(self.game_size),
            render_mode,
        )

    def expert(self) -> tuple[int, str]:
        """Returns the next move of a solution, and the reason.

        The solution is kept until another move is made. With up to 24 cards it is a shortest one
        where a search of 2,000 positions finds it. Where no solution is left the move is any that
        the rules allow, and the sentence says so.
        """
        self._require_start()
        action = self._planned()
        return action, self.explain(action)

    def snapshot(self) -> dict[str, Any]:
        """Returns what `CardGameEnv.snapshot` returns, with the expert's plan."""
        return {**super().snapshot(), "plan": self._planner.saved()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Returns to the state of a snapshot, and to the expert's plan in it."""
        if not isinstance(snapshot, Mapping) or "plan" not in snapshot:
            return super().restore(snapshot)
        plan = Plan.of(snapshot["plan"])
        super().restore({name: part for name, part in snapshot.items() if name != "plan"})
        self._planner.load(plan)

    def _start(self, parsed: Board | int | None) -> None:
        if not isinstance(parsed, Board):
            number = parsed or draw(self.np_random, self.game_size)
            parsed = Board(deal(number, self.game_size), [0] * self.game_size.cells, self.game_size)
        self._board = Board(parsed.columns, parsed.cells, self.game_size)
        self._moves = self._refused = 0
        self._planner = Planner(self.game_size)
        self._mask = np.frombuffer(self._board.mask(), np.int8)
        # What infos contain of the columns and the foundations.
        self._column_codes = [""] * self.game_size.columns
        self._column_texts = [""] * self.game_size.columns
        for index in range(self.game_size.columns):
            self._describe(index)
        self._describe_home()

    def _play(self, action: int) -> tuple[float, bool, bool]:
        self._moves += 1
        truncated = self._moves >= self.max_moves
        if not self._mask[action]:
            self._refused += 1
            return REFUSED, False, truncated
        board, move = self._board, self._all_moves[action]
        self._planner.follow(move, board)
        before = board.cells.copy()
        card = board.card_at(move[0])
        board.play(move)
        changes: dict[int, Sequence[int]] = {}
        for index in move:
            if index < len(board.columns):
                changes[index] = board.columns[index]
                self._describe(index)
        for index, (old, new) in enumerate(zip(before, board.cells, strict=True)):
            if old != new:
                changes[len(board.columns) + index] = (new,) if new else ()
        if move[1] == len(board.columns) + 1:
            changes[len(board.columns) + len(board.cells) + card % 4] = (card,)
            self._describe_home()
        if not self._undrawn:
            self.picture.show(changes)
        if board.solved:
            self._mask = np.zeros_like(self._mask)
            return SOLVED, True, False
        self._mask = np.frombuffer(board.mask(), np.int8)
        dead = not self._mask.any()
        return 0.0, dead, truncated and not dead

    def _draw(self) -> None:
        board = self._board
        cells = [(card,) if card else () for card in board.cells]
        home = [(card,) if card else () for card in board.tops_home]
        self.picture.deal([*board.columns, *cells, *home], self._jitter)

    def _parse(self, options: Mapping[str, Any]) -> Board | int:
        if isinstance(options, Mapping) and set(options) == {"deal"}:
            return _between("deal", options["deal"], 1, _LARGEST_DEAL)
        try:
            check_options(options, ("columns", "cells"))
        except ValueError as error:
            raise ValueError(f"{error}; or pass the key 'deal' alone") from None
        columns = self._parsed_columns(options["columns"])
        codes = options["cells"]
        if isinstance(codes, str) or not isinstance(codes, Sequence):
            raise ValueError(f"options['cells']={codes!r}: expected a list of card codes")
        cells = [CODES[Card.parse(code)] if code != "" else 0 for code in codes]
        if len(cells) > self.game_size.cells:
            raise ValueError(
                f"options['cells']={options['cells']!r}: expected at most {self.game_size.cells} "
                "cards, one for each cell"
            )
        cells += [0] * (self.game_size.cells - len(cells))
        board = Board(columns, cells, self.game_size)
        self._check_cards(board)
        if board.solved or not any(board.mask()):
            raise ValueError(
                f"options={dict(options)!r}: expected a position with a move to make; the game "
                "would be over"
            )
        return board

    def _parsed_columns(self, listed: object) -> list[list[int]]:
        if (
            isinstance(listed, str)
            or not isinstance(listed, Sequence)
            or len(listed) != self.game_size.columns
        ):
            raise ValueError(
                f"options['columns']={listed!r}: expected a list of {self.game_size.columns} texts "
                "of card codes, such as 'HA CT' or ''"
            )
        for column in listed:
            if not isinstance(column, str):
                raise ValueError(
                    f"options['columns'] has {column!r}: expected card codes such as 'HA CT'"
                )
        return [[CODES[Card.parse(code)] for code in column.split()] for column in listed]

    def _check_cards(self, board: Board) -> None:
        """Checks that a position has every card of the game once.

        Raises:
            ValueError: If it has not.
        """
        away = [card for column in board.columns for card in column] + list(
            filter(None, board.cells)
        )
        expected = {
            CODES[Card(suit, rank)]
            for suit, home in zip(SUITS, board.home, strict=False)
            for rank in RANKS[home : self.game_size.ranks]
        }
        wrong = [card for card, count in Counter(away).items() if count > 1]
        wrong += sorted(set(away) ^ expected)
        if wrong:
            code = _CARD_CODES[wrong[0]]
            raise ValueError(
                f"the card {code}: expected every card of the game once, in a column, in a cell or "
                "on its foundation, on all lower ones of its suit; change where it is"
            )

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            self._board,
            self.game_size,
            moves_left=self.max_moves - self._moves,
            refused=self._refused,
            gamma=gamma,
        )

    def _explain(self, action: int) -> str:
        text = reason(self._board, self._all_moves[action], self.action_names[action])
        if self._board.solved or action != self._planned():
            return text
        steps = self._planner.plan(self._board)
        left = self.max_moves - self._moves
        return outlook(self._board, steps, lost=self._planner.lost, left=left) + text

    def _planned(self) -> int:
        """Returns the expert's action."""
        steps = self._planner.plan(self._board)
        if steps:
            return self._all_moves.index(move_of(steps[0], self._board))
        return fallback(self._board, self._all_moves)

    def _action_mask(self) -> NDArray[np.int8]:
        return self._mask

    def _settings(self) -> tuple[object, ...]:
        return self.game_size

    def _describe(self, index: int) -> None:
        """Writes down what infos contain of a column."""
        column = self._board.columns[index]
        self._column_codes[index] = " ".join([_CARD_CODES[card] for card in column])
        names = " ".join([NAMES[card] for card in column])
        self._column_texts[index] = f"{index + 1}: {names or '-'}"

    def _describe_home(self) -> None:
        """Writes down what infos contain of the foundations."""
        tops = self._board.tops_home
        self._home_codes = [_CARD_CODES[card] for card in tops]
        self._home_text = " ".join([NAMES[card] for card in tops])


class FreeCellVectorEnv(CardGameVectorEnv):
    """Batch of FreeCell games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = FreeCellEnv


def _between(name: str, value: object, least: int, most: int) -> int:
    """Returns an argument as a plain integer.

    Raises:
        ValueError: If it is not a whole number in this range.
    """
    number = check_integer(name, value)
    if not least <= number <= most:
        raise ValueError(f"{name}={value!r}: expected {least} to {most}; pass one of these")
    return number


def _description(size: Size) -> str:
    highest = CARDS[4 * size.ranks].label
    cells = "one cell" if size.cells == 1 else f"{size.cells} cells"
    return (
        f"You are playing FreeCell with {size.cards} cards, ace to {highest} of "
        f"{suits_text(size.suits)}. You see {cells} in the upper left, the foundations in the "
        f"upper right and {size.columns} columns below, numbered from the left. The top card of a "
        "column is the one that is lowest in the picture; no other covers it. Each turn you move "
        "one card, the top card of a column or the card in a cell, by naming its place and its "
        'target, as in "column 2 to column 1". A card may go to a free cell, to an empty column, '
        "onto a top card that is one rank higher and of the other colour (hearts and diamonds are "
        "red, spades and clubs black), or to the foundation of its suit, where cards lie in order "
        "from the ace up. Other moves are refused. Your goal is to bring all cards to the "
        f"foundations within {size.max_moves} turns."
    )
