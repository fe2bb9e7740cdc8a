"""Texts as observations: their characters, and texts as numbers for agents that take no text."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Container

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHARSET = "\n " + string.digits + string.ascii_letters + string.punctuation
"""The characters of the games' states: printable ASCII and line breaks."""

# Signs that Unicode does not decompose into their look-alikes in ASCII.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "•": "*",
        "×": "x",
        **dict.fromkeys("÷⁄", "/"),
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "ø": "o",
        "Ø": "O",
        "œ": "oe",
        "Œ": "OE",
        "ł": "l",
        "Ł": "L",
    }
)


def folded(text: str, known: Container[str], unknown: str = "?") -> str:
    """Returns a text in which each character that is not known is replaced by a look-alike.

    Letters lose their accents, and typographic quotes and dashes become plain ones.

    Args:
        text: Any text.
        known: The characters that stay as they are.
        unknown: The replacement of a character without a look-alike.
    """
    return "".join(one if one in known else _alike(one, known, unknown) for one in text)


def _alike(character: str, known: Container[str], unknown: str) -> str:
    # Marks such as accents, and joiners and other signs without a width, have no picture.
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""
    if character.isspace():
        return " "
    parts = unicodedata.normalize("NFKD", character.translate(_PLAIN)).translate(_PLAIN)
    kept = [one for one in parts if unicodedata.category(one) not in ("Mn", "Me", "Cf")]
    return "".join(kept) if kept and all(one in known for one in kept) else unknown


def in_one_line(text: str) -> str:
    """Returns a text whose line breaks and other white space are single spaces."""
    return " ".join(text.split())


class Alphabet:
    """Characters, and texts as their indices.

    Args:
        characters: The characters, each once.
    """

    def __init__(self, characters: str) -> None:
        self.vocabulary: tuple[str, ...] = ("", *characters)
        """The character of each index; the first, an empty one, is padding."""
        self._numbers = {character: i for i, character in enumerate(self.vocabulary)}

    def foreign(self, text: str) -> list[str]:
        """Returns the characters of a text that the alphabet lacks, in the order of their codes."""
        return sorted(set(text) - self._numbers.keys())

    def fold(self, text: str) -> str:
        """Returns a text with look-alikes in place of the characters that the alphabet lacks."""
        return folded(text, self._numbers, "?" if "?" in self._numbers else "")

    def encode(self, text: str, length: int) -> NDArray[np.int64]:
        """Returns the indices of a text's characters, padded with 0, shape (length,).

        Raises:
            KeyError: If the alphabet lacks a character.
            ValueError: If the text is longer.
        """
        tokens = np.zeros(length, np.int64)
        tokens[: len(text)] = [self._numbers[character] for character in text]
        return tokens

    def decode(self, tokens: ArrayLike) -> str:
        """Returns the text of some indices, of any number."""
        return "".join(self.vocabulary[int(token)] for token in np.asarray(tokens).ravel())
