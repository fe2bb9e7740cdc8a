"""Displacement of cards that never hides another card's upper left index, or any of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gym_cards.render import sprites
from gym_cards.render.sprites import card_height
from gym_cards.render.style import RenderStyle


class Place(NamedTuple):
    """Place of a card.

    Attributes:
        x: Left edge of the box that holds it, in pixels.
        y: Top edge of the box.
        angle: Degrees that it is turned, counterclockwise, around its middle.
    """

    x: int
    y: int
    angle: float = 0.0


def scattered(
    style: RenderStyle,
    seed: int | None,
    corners: Sequence[tuple[int, int]],
    width: int,
    box: tuple[int, int, int, int],
    *,
    stream: int = 0,
    overlap: bool = True,
) -> list[Place]:
    """Moves and turns cards, each by its own random numbers.

    All move within the same bounds, which the two closest cards set.

    Args:
        style: The bounds of the displacement.
        seed: Seed of the random numbers; `None` leaves every card in its place.
        corners: The top left corners of the cards, before they are moved.
        width: The cards' width in pixels.
        box: Left, top, right and bottom of the part of the picture that they stay in.
        stream: Which of the seed's random numbers are used. Those of the first cards are the same
            in hands of any size.
        overlap: Whether a card may cover another one, except for its index.
    """
    if seed is None or not style.jitters:
        return [Place(x, y) for x, y in corners]
    height = card_height(width)
    reach = style.position_jitter * style.size / 300
    # An index takes a third of a card's width and two fifths of its height. What is half a height
    # from a card's middle moves sideways by that times the sine of the turn.
    sine = math.sin(math.radians(style.rotation_jitter))
    seen = (width / 3, height * 0.4) if overlap else (width, height)
    across_x, turn_x = _room(corners, 0, seen[0], height * sine)
    across_y, turn_y = _room(corners, 1, seen[1], width * sine)
    left, top, right, bottom = box
    turns = style.rotation_jitter * min(turn_x, turn_y)
    # A turned card is taller, and has to stay inside too.
    while turns > 0 and sprites.turned_size(width, turns)[0] > bottom - top:
        turns = max(0.0, turns - 0.5)
    places = []
    moves = np.random.default_rng([seed, stream]).uniform(-1, 1, (len(corners), 3)).tolist()
    for (x, y), (across, down, turn) in zip(corners, moves, strict=True):
        # In ten steps either way, so that cached turned cards are used again.
        angle = round(round(turn * 10) / 10 * turns, 2)
        tall, wide = sprites.turned_size(width, angle)
        moved_x = x + across * min(reach, across_x) + (width - wide) / 2
        moved_y = y + down * min(reach, across_y) + (height - tall) / 2
        places.append(
            Place(
                int(_inside(moved_x, left, right - wide)),
                int(_inside(moved_y, top, bottom - tall)),
                angle,
            )
        )
    return places


def _inside(value: float, low: float, high: float) -> float:
    return min(max(value, low), max(low, high))


def _room(
    corners: Sequence[tuple[int, int]], axis: int, index: float, turned: float
) -> tuple[float, float]:
    """Returns how far cards may move along an axis, and their share of the turn.

    Two neighbours may move towards each other, and a turned card covers more while its own index
    comes closer to its neighbour; the index must stay visible all the same.

    Args:
        corners: Of all cards.
        axis: 0 for x, 1 for y.
        index: How much of a card has to be seen.
        turned: By how much two cards come closer that make the whole turn.
    """
    places = sorted({corner[axis] for corner in corners})
    if len(places) < 2:
        return float("inf"), 1.0
    # Two pixels for what is rounded.
    spare = max(0.0, min(after - before for before, after in pairwise(places)) - index - 2)
    share = min(1.0, spare / turned) if turned > 0 else 1.0
    return (spare - share * turned) / 2, share
