"""Keys of the moves."""

from __future__ import annotations

from collections.abc import Sequence

# Further moves of a key, in addition to that of its name: the rank on a card, signs that need no
# shift, and Enter. Of several moves that exist, the first counts.
_OTHER_NAMES = {
    "0": ("10",),
    "a": ("1",),
    "t": ("10",),
    "j": ("11", "10"),
    "q": ("12", "10"),
    "k": ("13", "10"),
    "x": ("*",),
    "=": ("+",),
    "_": ("-",),
    "\r": ("=",),
}
_CAPTIONS = {"\r": "Enter"}


def moves_of_keys(names: Sequence[str]) -> dict[str, int]:
    """Returns the index of the move that each typed character plays.

    A move of one character is played by it. Numbers are played as they are read off a card, 10 by
    "0" as well. Other words are played by "1" to "9", in their order.

    Args:
        names: The texts of all moves.
    """
    keys = {name: index for index, name in enumerate(names) if len(name) == 1}
    words = [index for index, name in enumerate(names) if len(name) > 1 and not name.isdigit()]
    for digit, index in zip("123456789", words, strict=False):
        keys.setdefault(digit, index)
    for key, meant in _OTHER_NAMES.items():
        existing = [name for name in meant if name in names]
        if existing:
            keys.setdefault(key, names.index(existing[0]))
    return keys


def captions(names: Sequence[str]) -> list[str]:
    """Returns the caption of each move's key; empty if the move's text says it."""
    result = [""] * len(names)
    for key, index in moves_of_keys(names).items():
        # Enter is shown next to "=", whose own key is out of reach on many keyboards.
        untold = names[index] != key and not result[index]
        if key in _CAPTIONS or (untold and (key.isdigit() or names[index] in ("11", "12", "13"))):
            result[index] = _CAPTIONS.get(key, key.upper())
    return result
