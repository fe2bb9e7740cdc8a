"""Rules of EZPoints and Points24.

Cards are dealt, and the player writes a formula, one token a turn, that should use the number of
every card once and equal a target. An ace counts 1; J, Q and K count 10, or 11, 12 and 13.

- A number that no unused card has is refused: it costs a point, and a blank is appended in its
  place. Operators and brackets are never refused.
- "=" ends the episode: it pays 10 for a correct formula and costs 1 for any other.
- A turn that meets a formula of more tokens than allowed, blanks included, has no effect, costs a
  point and cuts the episode off.

By the published rules a formula is correct if it has used every card and its text, read by Python,
equals the target; by the exact rules it is arithmetic as people know it (`gym_cards.points.formula`
has both).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from gym_cards.cards import Card
from gym_cards.points.formula import REFUSED_MARK, evaluate_exact, evaluate_published

Rules = Literal["published", "exact"]
Notation = Literal["published", "as_read"]
Token = int | str

REFUSED = " "
"""The blank that stands in a formula for a number that was refused."""

_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
MOST_CARDS = max(_COUNTS)


class GameRules(NamedTuple):
    """Difference between EZPoints and Points24.

    Attributes:
        name: The game's name.
        operators: The tokens other than numbers, "=" last.
        tokens_per_card: Number of tokens that a formula may have for each card.
        further_tokens: Number of further tokens that it may have.
    """

    name: str
    operators: tuple[str, ...]
    tokens_per_card: int
    further_tokens: int = 0

    @property
    def signs(self) -> str:
        """The arithmetic operators."""
        return "".join(sign for sign in self.operators if sign in "+-*/")

    @property
    def parentheses(self) -> bool:
        """True if formulas may have brackets."""
        return "(" in self.operators

    def max_length(self, num_cards: int) -> int:
        """Returns the most tokens that a formula may have, without "="."""
        return self.tokens_per_card * num_cards + self.further_tokens


EZPOINTS = GameRules("EZPoints", ("+", "*", "="), tokens_per_card=2, further_tokens=1)
POINTS24 = GameRules("Points24", ("+", "-", "*", "/", "(", ")", "="), tokens_per_card=5)


def value(card: Card, *, faces_as_10: bool) -> int:
    """Returns the number that a card stands for."""
    return min(card.rank, 10) if faces_as_10 else card.rank


def numbers_left(numbers: Sequence[int], formula: Sequence[Token]) -> list[int]:
    """Returns the cards' numbers that the formula has not used."""
    left = list(numbers)
    for token in formula:
        if isinstance(token, int):
            left.remove(token)
    return left


def accepted(token: Token, left: Collection[int]) -> Token:
    """Returns what a token appends: itself, or a blank for a number that is not left."""
    return token if isinstance(token, str) or token in left else REFUSED


def is_correct(formula: Sequence[Token], numbers: Sequence[int], target: int, rules: Rules) -> bool:
    """Returns whether the formula uses every number once and equals the target."""
    if rules == "exact":
        return evaluate_exact(formula, numbers) == target
    return not numbers_left(numbers, formula) and evaluate_published(formula) == target


def play(
    token: Token,
    formula: Sequence[Token],
    numbers: Sequence[int],
    left: Collection[int],
    *,
    target: int,
    max_length: int,
    rules: Rules,
) -> tuple[Token | None, float, bool, bool]:
    """Returns what a token does to a formula.

    Args:
        token: The token that the player chose.
        formula: The tokens so far.
        numbers: The numbers of all cards.
        left: Those that the formula has not used.
        target: The value to reach.
        max_length: The most tokens that the formula may have.
        rules: How formulas are read.

    Returns:
        What is appended, if anything; the reward; whether the episode is terminated, or truncated.
    """
    # The published order: the length is checked before the token.
    if len(formula) > max_length:
        return None, -1.0, False, True
    if token == "=":
        won = is_correct(formula, numbers, target, rules)
        return None, (10.0 if won else -1.0), True, False
    appended = accepted(token, left)
    return appended, (-1.0 if appended == REFUSED else 0.0), False, False


def description(
    game: GameRules,
    num_cards: int,
    target: int,
    *,
    faces_as_10: bool,
    rules: Rules,
    notation: Notation,
    end_when_lost: bool,
) -> str:
    """Returns the rules and the goal as a person would be told."""
    faces = "J, Q and K count 10" if faces_as_10 else "J, Q and K count 11, 12 and 13"
    signs = ", ".join(f'"{sign}"' for sign in game.operators)
    blank, blanks, joined = "a blank", "blanks", ""
    if notation == "as_read":
        blank, blanks = f'"{REFUSED_MARK}"', f'each "{REFUSED_MARK}"'
        if rules == "published":
            joined = "Numbers side by side join, as the formula shows: 1 and 2 are 12. "
    early = ", and the game ends as soon as it cannot be won any more" if end_when_lost else ""
    return (
        f"You are playing a game called {game.name}. You see {_COUNTS[num_cards]} cards and the "
        f"formula so far. An ace counts 1 and {faces}. Each turn you append one entry to the "
        f"formula: a number or one of {signs}. A number that no unused card shows is refused: "
        f"it costs a point, and {blank} is appended in its place. {joined}When the formula is "
        'complete, choose "=", which ends the game; a formula of more than '
        f"{game.max_length(num_cards)} entries, {blanks} included, is lost{early}. Your goal is a "
        f"formula that uses the number of every card exactly once and equals {target}."
    )
