"""Hints in the words of one player to another."""

from __future__ import annotations

import re
from collections.abc import Callable

_Match = re.Match[str]


def _listed(match: _Match) -> str:
    if match[2] == "=":
        return "nothing is left to add that leads to the target, so end the formula with “=”"
    return f"the cards count {_and(match[1])}, and the formula can continue with “{match[2]}”"


def _searched(match: _Match) -> str:
    tried = []
    for words in match[2].split(", "):
        equation, _, left = words.partition(" ")
        numbers = left.removesuffix(" no")
        told = f"{equation} leaves {_and(numbers)}" if numbers else equation
        tried.append(told if numbers == left else f"{told}, which leads nowhere")
    return (
        f"the cards count {_and(match[1])}: {'; '.join(tried)}; so the formula can be “{match[3]}”"
    )


def _and(numbers: str) -> str:
    """Returns numbers that spaces separate as a list in words."""
    *others, last = numbers.split()
    return f"{', '.join(others)} and {last}" if others else last


def _hand(match: _Match) -> str:
    ace = "an ace in it counts 11" if match[1] == "soft" else "no ace in it counts 11"
    return f"you have {match[2]} ({ace}) against the dealer's {match[3]}, so {match[4]}"


# Reasons that are terse, because a model learns to write them, in whole sentences.
_TERSE: tuple[tuple[str, Callable[[_Match], str]], ...] = (
    (
        r"current (\S+), target (\S+), so I (.+)",
        lambda match: f"you are at {match[1]} and have to get to {match[2]}, so {match[3]}",
    ),
    (r"sorted ([\d ]+), rest (.+)", _listed),
    (r"sorted ([\d ]+), (\d.+), rest (.+)", _searched),
    (r"(soft|hard) (\d+) against (\S+), so I (.+)", _hand),
)
# What a player says of itself, said to another one.
_PERSONS = (
    (r"\b(so|and|then) I (?!am\b|have\b)", r"\1 "),
    (r"\bI am\b", "you are"),
    (r"\bI'm\b", "you're"),
    (r"\b(?:I|me)\b", "you"),
    (r"\bmy\b", "your"),
    (r"\bmine\b", "yours"),
    (r"\bmyself\b", "yourself"),
)


def advice(reason: str) -> str:
    """Returns the reason of an expert's move, as told to the person who is to make it.

    "hard 9 against 4, so I hit" becomes "You have 9 (no ace in it counts 11) against the dealer's
    4, so hit."

    Args:
        reason: The sentence of `expert`, in which the expert is "I".
    """
    words = " ".join(reason.split())
    for pattern, say in _TERSE:
        match = re.fullmatch(pattern, words.rstrip("."))
        if match:
            words = say(match)
            break
    for pattern, other in _PERSONS:
        words = re.sub(pattern, other, words)
    words = re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), words)
    return words if not words or words[-1] in ".!?" else f"{words}."
