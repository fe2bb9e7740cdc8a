"""Keys of the moves."""

from __future__ import annotations

import string
from collections.abc import Sequence

# Further moves of a key, in addition to that of its name: the rank on a card, signs that need no
# shift, and Enter. Of several moves that exist, the first counts.
_RANKS = {
    "a": ("1",),
    "t": ("10",),
    "j": ("11", "10"),
    "q": ("12", "10"),
    "k": ("13", "10"),
}
_OTHER_NAMES = {
    "0": ("10",),
    "x": ("*",),
    "p": ("+",),
    "[": ("(",),
    "]": (")",),
    "=": ("+",),
    "_": ("-",),
    "\r": ("=",),
}
_CAPTIONS = {"\r": "Enter"}
# Letters of the window's tools, which play nothing: hint, new deal and rules.
_TOOLS = "hnr"
# SDL's numbers of the keys of the keypad are those of their places, with a bit that says so.
_KEYPAD = {
    (1 << 30) + place: character for place, character in enumerate("/*-+\r1234567890", start=84)
}


def moves_of_keys(names: Sequence[str]) -> dict[str, int]:
    """Returns the index of the move that each typed character plays.

    A move of one character is played by it. Numbers up to 13 are played as they are read off a
    card, 10 by "0" as well. Other words are played by "1" to "9", in their order. Moves that are
    left take the letters that are left, as far as there are any.

    Args:
        names: The texts of all moves.
    """
    keys = {name: index for index, name in enumerate(names) if len(name) == 1}
    words = [index for index, name in enumerate(names) if len(name) > 1 and not name.isdigit()]
    for digit, index in zip("123456789", words, strict=False):
        keys.setdefault(digit, index)
    are_ranks = all(int(name) <= 13 for name in names if name.isdigit())
    for key, meant in {**_OTHER_NAMES, **(_RANKS if are_ranks else {})}.items():
        existing = [name for name in meant if name in names]
        if existing:
            keys.setdefault(key, names.index(existing[0]))
    left = sorted(set(range(len(names))) - set(keys.values()))
    free = [letter for letter in string.ascii_lowercase if letter not in {*keys, *_TOOLS}]
    return keys | dict(zip(free, left, strict=False))


def captions(names: Sequence[str]) -> list[str]:
    """Returns the caption of each move's key; empty if the move's text says it."""
    result = [""] * len(names)
    for key, index in moves_of_keys(names).items():
        # Enter is shown next to "=", whose own key is out of reach on many keyboards.
        if key in _CAPTIONS or (len(names[index]) > 1 and not result[index]):
            result[index] = _CAPTIONS.get(key, key.upper())
    return result


def keys_to_action(names: Sequence[str]) -> dict[tuple[str | int, ...], int]:
    """Returns the move of each key in the form of `gymnasium.utils.play`, with those of the keypad.

    Gymnasium's window does not know Shift, so that a sign above a digit has no key of its own.
    """
    keys = moves_of_keys(names)
    found: dict[tuple[str | int, ...], int] = {(key,): index for key, index in keys.items()}
    pad = {(key,): keys[typed] for key, typed in _KEYPAD.items() if typed in keys}
    return found | pad


class NamedActions:
    """Environment whose actions have names, and so keys that play them.

    Attributes:
        action_names: The text of each action.
    """

    action_names: tuple[str, ...]

    def get_keys_to_action(self) -> dict[tuple[str | int, ...], int]:
        """Returns the action of each key, for `gymnasium.utils.play.play`."""
        return keys_to_action(self.action_names)
