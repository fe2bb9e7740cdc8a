"""Style of the pictures: what can change about them without changing the game."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


class StyleOptions(TypedDict, total=False):
    """Keyword arguments of every game that make up its `RenderStyle`."""

    size: int
    background: str | None
    font_scale: float


class PlainCardStyleOptions(StyleOptions, total=False):
    """Keyword arguments of a game with cards without suits that make up its `RenderStyle`."""

    position_jitter: float
    rotation_jitter: float


class CardStyleOptions(PlainCardStyleOptions, total=False):
    """Keyword arguments of a game with playing cards that make up its `RenderStyle`."""

    four_colours: bool


@dataclass(frozen=True)
class RenderStyle:
    """Style of a picture; the defaults are the published one.

    Attributes:
        size: Width and height of the picture in pixels, 64 to 2048; everything scales with it.
            Letters are legible from about 150 pixels; cards wider than 270 are enlarged art.
        background: The table's colour as "#rrggbb", or `None` for the game's own. Letters are
            white or black, whichever has more contrast.
        four_colours: Whether clubs are green and diamonds blue.
        font_scale: Scale of the letters, 0.5 to 2. Cards make room for them.
        position_jitter: The most that a card is moved, in pixels of a picture of 300, 0 to 40. It
            stays in the picture, off the text, and off the other cards' upper left corners.
        rotation_jitter: The most degrees that a card is turned either way, 0 to 20.
    """

    size: int = 300
    background: str | None = None
    four_colours: bool = False
    font_scale: float = 1.0
    position_jitter: float = 0.0
    rotation_jitter: float = 0.0

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: If a value is of the wrong kind or out of range.
        """
        for name, low, high in (
            ("size", 64, 2048),
            ("font_scale", 0.5, 2),
            ("position_jitter", 0, 40),
            ("rotation_jitter", 0, 20),
        ):
            value = getattr(self, name)
            whole = name == "size"
            kinds = (int, np.integer) if whole else (int, np.integer, float, np.floating)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise ValueError(f"{name}={value!r}: expected {kind} from {low} to {high}")
            # As plain numbers, because NumPy's may overflow.
            object.__setattr__(self, name, int(value) if whole else float(value))
        if not isinstance(self.four_colours, (bool, np.bool_)):
            raise ValueError(f"four_colours={self.four_colours!r}: expected True or False")
        if self.background is not None and not (
            isinstance(self.background, str) and re.fullmatch("#[0-9a-fA-F]{6}", self.background)
        ):
            raise ValueError(
                f"background={self.background!r}: expected a colour such as '#35654d', or None "
                "for the game's own"
            )

    @classmethod
    def of(
        cls,
        options: Mapping[str, Any],
        *,
        cards: bool,
        suits: bool = True,
        game: type | None = None,
    ) -> RenderStyle:
        """Returns the style that keyword arguments describe.

        Args:
            options: The arguments.
            cards: Whether the game has cards.
            suits: Whether its cards have suits.
            game: The game's class, so that an error can name its other arguments too.

        Raises:
            TypeError: If an argument is unknown.
            ValueError: If a value is of the wrong kind or out of range.
        """
        of_cards = CardStyleOptions if suits else PlainCardStyleOptions
        names = sorted((of_cards if cards else StyleOptions).__annotations__)
        for name in options:
            if name not in names:
                others = [] if game is None else _named_arguments(game)
                near = difflib.get_close_matches(name, [*names, *others], 1)
                hint = f"did you mean {near[0]!r}?" if near else f"a style has {', '.join(names)}"
                if others and not near:
                    hint += f", and the game {', '.join(others)}"
                raise TypeError(f"unexpected keyword argument {name!r}: {hint}")
        return cls(**options)

    @functools.cached_property
    def jitters(self) -> bool:
        """True if cards are moved or turned."""
        return self.position_jitter > 0 or self.rotation_jitter > 0

    def pixels(self, length: float) -> int:
        """Converts a length in a picture of 300 pixels to whole pixels of this one."""
        return math.floor(length * self.size / 300 + 0.5)

    def ground(self, default: Colour) -> Colour:
        """Returns the background's colour."""
        if self.background is None:
            return default
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue


def ink_on(ground: Colour) -> Colour:
    """Returns white or black, whichever has the higher WCAG 2 contrast to a colour."""
    luminance = 0.0
    for part, weight in zip(ground, (0.2126, 0.7152, 0.0722), strict=True):
        share = part / 255
        linear = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        luminance += weight * linear
    # White's contrast is 1.05 / (luminance + 0.05), black's (luminance + 0.05) / 0.05.
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE


def _named_arguments(game: type) -> list[str]:
    """Returns the names of the keyword arguments of a class."""
    parameters = inspect.signature(game).parameters.values()
    return [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]
