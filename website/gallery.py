"""Gallery: pictures of all variants, each with the call that makes it."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from game_pages import arguments
from PIL import Image

from gym_cards.cards import Card
from gym_cards.render import sprites

log = logging.getLogger("mkdocs.website")


@dataclass(frozen=True)
class Entry:
    """Picture of the gallery.

    Attributes:
        name: The game's id, without namespace and version.
        caption: What is to be seen.
        kwargs: The arguments that make it so.
        options: What the environment is reset with, to show a state in particular.
        actions: The names of actions that are played before.
        moves: Number of the expert's moves that are played after them.
        seed: What the environment is reset with.
    """

    name: str
    caption: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] | None = None
    moves: int = 0
    seed: int = 0
    actions: tuple[str, ...] = ()

    @property
    def env_id(self) -> str:
        """The environment's id."""
        return f"gym_cards/{self.name}-v0"

    @property
    def call(self) -> str:
        """The call that makes the environment."""
        given = f", {arguments(self.kwargs)}" if self.kwargs else ""
        return f'gym.make("{self.env_id}"{given})'

    def picture(self) -> Image.Image:
        """Returns the environment's picture."""
        env = gym.make(
            self.env_id, render_mode="rgb_array", disable_env_checker=True, **self.kwargs
        )
        env.reset(seed=self.seed, options=self.options)
        for name in self.actions:
            env.step(env.get_wrapper_attr("action_names").index(name))
        for _ in range(self.moves):
            env.step(env.get_wrapper_attr("expert")()[0])
        frame: Any = env.render()
        env.close()
        return Image.fromarray(frame)


@dataclass(frozen=True)
class Section:
    """Section of the gallery."""

    title: str
    text: str
    entries: tuple[Entry, ...]


NATURAL = {"player": ["HA", "SK"], "dealer": ["D9", "C5"]}
PAIR = {"cards": ["HJ", "DJ", "H5", "H9", "H2"]}
HAND = {"cards": ["S6", "H8", "CA", "D2"]}

SECTIONS = (
    Section(
        "Looks",
        "These change the picture and not the game. They are arguments of every game with cards; "
        "NumberLine takes the size, the background and the size of the letters. All lengths scale "
        "with the size of the picture.",
        (
            Entry("Points24", "as published", options=HAND, moves=7),
            Entry("Points24FourColours", "clubs green, diamonds blue", options=HAND, moves=7),
            Entry("Blackjack", "another table", {"background": "#7a1f2b"}, moves=1),
            Entry("Points24", "a light table", {"background": "#f0e8c0"}, options=HAND, moves=7),
            Entry("Points24", "larger letters", {"font_scale": 1.6}, options=HAND, moves=7),
            Entry("Blackjack", "smaller letters", {"font_scale": 0.7}, moves=1),
            Entry("Points24", "cards off their places", {"position_jitter": 14}, options=HAND),
            Entry("Blackjack", "cards turned", {"rotation_jitter": 8}, moves=1),
            Entry(
                "EZPoints",
                "both at once",
                {"position_jitter": 30, "rotation_jitter": 15},
                options={"cards": ["C9", "D3"]},
            ),
            Entry("Points24", "fewer pixels", {"size": 128}, options=HAND, moves=7),
            Entry("NumberLine", "fewer still", {"size": 84}),
            Entry("Points24", "more pixels", {"size": 450}, options=HAND, moves=7),
        ),
    ),
    Section(
        "Numbers and lines",
        "NumberLine with more numbers, as text or drawn.",
        (
            Entry("NumberLine", "as published"),
            Entry("NumberLineLong", "up to 20"),
            Entry("NumberLineDrawn", "nothing to read"),
            Entry("NumberLine", "a long line", {"display": "line", "max_position": 30}),
        ),
    ),
    Section(
        "Hands",
        "The hands that are dealt. Whether a hand is for training or for tests depends only on its "
        "numbers, as `gym_cards.points.splits` describes.",
        (
            Entry("Points24", "two cards", {"num_cards": 2, "hands": "solvable"}, moves=3),
            Entry("Points24", "three cards", {"num_cards": 3, "hands": "solvable"}, moves=7),
            Entry("Points24", "five cards", {"num_cards": 5}, moves=9),
            Entry("Points24", "six cards", {"num_cards": 6}, moves=11),
            Entry("Points24", "another target", {"target_points": 36, "hands": "solvable"}),
            Entry("Points24", "no formula makes 24", {"hands": "unsolvable"}),
            Entry(
                "Points24Faces",
                "J, Q and K are 11, 12 and 13",
                options={"cards": ["HJ", "CQ", "DA", "SK"]},
                moves=9,
            ),
            Entry("Points24Train", "a hand to learn by"),
            Entry("Points24Test", "an unseen hand"),
            Entry(
                "Points24Exact",
                "8/(3-8/3), which floating point misses",
                options={"cards": ["C3", "D3", "H8", "S8"]},
                moves=9,
            ),
            Entry(
                "Points24AsRead",
                "2 and 4 joined, and a refused number",
                options={"cards": ["C2", "D4", "HA", "S8"]},
                actions=("2", "4", "3"),
            ),
            Entry("Points24", "in ascending order", {"order": "ascending"}, seed=5),
            Entry("Points24Black", "black suits"),
            Entry("Points24Red", "the same ranks in red"),
            Entry("EZPointsTest", "an unseen hand", moves=3),
            Entry("EZPoints", "three cards", {"num_cards": 3}, moves=5),
            Entry(
                "EZPoints",
                "faces are 11 to 13",
                {"treat_face_cards_as_10": False},
                options={"cards": ["HJ", "SA"]},
                moves=3,
            ),
        ),
    ),
    Section(
        "Blackjack",
        "Rules that pay a natural, and a shoe that can be counted, change the odds and not the "
        "picture. What is rendered shows the end; the last observation only does so on request.",
        (
            Entry("BlackjackDeck", "one deck, with 10s", seed=1),
            Entry("Blackjack", "eight decks, red", {"decks": 8, "suits": "red"}, moves=1),
            Entry("Blackjack", "a natural pays 1.5", {"natural": True}, options=NATURAL),
            Entry("Blackjack", "a natural beats other 21s", {"sab": True}, options=NATURAL),
            Entry(
                "Blackjack",
                "the end, as observed",
                {"reveal_dealer": True},
                options={"player": ["HK", "S9"], "dealer": ["D9", "C5"]},
                moves=1,
            ),
        ),
    ),
    Section(
        "Memory",
        "Cards that lie face down, in grids of any size. Two are shown at most.",
        (
            Entry("Memory", "as registered", moves=8),
            Entry("MemorySmall", "four pairs", moves=6),
            Entry("MemoryLarge", "twelve pairs", moves=10),
            Entry("Memory", "suits count, few misses", {"match": "card", "max_misses": 3}, moves=2),
            Entry(
                "Memory",
                "cards off their places",
                {"rows": 4, "columns": 3, "position_jitter": 14, "rotation_jitter": 8},
                moves=4,
            ),
        ),
    ),
    Section(
        "SET",
        "Cards of our own drawing, of which three are a set.",
        (
            Entry("SET", "as registered", moves=2),
            Entry("SETSmall", "fewer cards and features", moves=3),
            Entry("SET", "exactly one set", {"num_cards": 9, "num_sets": 1}, seed=2),
            Entry(
                "SET",
                "cards off their places",
                {"position_jitter": 14, "rotation_jitter": 8, "background": "#22303c"},
                moves=1,
            ),
        ),
    ),
    Section(
        "Video poker",
        "Pay tables, on which the best hold depends. The best play is shown.",
        (
            Entry("VideoPoker", "five cards are dealt", options=PAIR),
            Entry("VideoPoker", "the pair was held", options=PAIR, moves=1, seed=4),
            Entry(
                "VideoPokerAllAmerican", "the flush is worth more", options=PAIR, moves=1, seed=30
            ),
        ),
    ),
    Section(
        "FreeCell",
        "From eight cards to all 52. Every deal has a known solution.",
        (
            Entry("FreeCell", "as registered", moves=9),
            Entry("FreeCellTiny", "eight cards, one cell", moves=3),
            Entry("FreeCellFull", "52 cards", moves=45),
            Entry(
                "FreeCell",
                "three suits and one cell",
                {"num_suits": 3, "num_ranks": 5, "num_columns": 5, "num_cells": 1},
                moves=5,
            ),
            Entry(
                "FreeCell",
                "cards off their places, and turned",
                {"position_jitter": 10, "rotation_jitter": 8},
                moves=9,
            ),
        ),
    ),
    Section(
        "Household",
        "ALFWorld's two views, together or alone.",
        (
            Entry("ALFWorld", "as registered", moves=2),
            Entry("ALFWorld", "what is seen", {"view": "first_person"}, moves=2),
            Entry("ALFWorld", "the map", {"view": "map"}, moves=2),
            Entry("ALFWorld", "with the goal", {"show_goal": True}, moves=2),
            Entry("ALFWorld", "more pixels", {"size": 450}, moves=2),
        ),
    ),
)

WITHOUT_PICTURE = {"end_when_lost", "is_pixel", "reasons"}
"""Arguments of the card games without effect on the picture."""

README = (
    Entry("Points24", "", options=HAND, moves=7),
    Entry("Points24", "", {"four_colours": True, "background": "#22303c"}, options=HAND, moves=7),
    Entry("Points24", "", {"position_jitter": 14, "rotation_jitter": 8}, options=HAND, moves=7),
    Entry("Points24", "", {"num_cards": 6}, moves=11),
    Entry("NumberLineDrawn", ""),
    Entry("Blackjack", "", {"decks": 1, "background": "#7a1f2b", "rotation_jitter": 8}, moves=1),
)
"""The pictures of the README, in rows of three."""


def png(image: Image.Image) -> bytes:
    """Returns the picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def gallery() -> tuple[str, dict[str, bytes]]:
    """Returns the page in Markdown, and its pictures by their paths."""
    parts = [
        "---\nhide: [toc]\n---\n\n# Gallery of variants\n\n"
        "Every picture with the call that makes it. The games' pages describe the arguments.\n"
    ]
    pictures = {}
    for section in SECTIONS:
        try:
            images = [entry.picture() for entry in section.entries]
        except gym.error.DependencyNotInstalled as error:
            log.info("The gallery has no part %r: %s", section.title, error)
            continue
        parts.append(f"## {section.title}\n\n{section.text}\n")
        figures = []
        for index, (entry, image) in enumerate(zip(section.entries, images, strict=True)):
            path = f"images/gallery/{section.title.split()[0].lower()}-{index}.png"
            pictures[path] = png(image)
            shown = f"![{entry.caption}]({path}){{ width={image.width} }}"
            figures.append(figure(shown, entry.caption, f"`{entry.call}`"))
        parts.append(grid(figures))
    return "\n".join(parts), pictures


def figure(picture: str, caption: str, below: str = "") -> str:
    """Returns a picture with its caption, in Markdown."""
    return (
        f'<figure markdown="span">\n{picture}\n<figcaption>{caption}</figcaption>\n{below}\n'
        "</figure>\n"
    )


def grid(figures: list[str]) -> str:
    """Arranges figures side by side."""
    return '<div class="gallery" markdown>\n\n' + "\n".join(figures) + "\n</div>\n"


def favicon() -> Image.Image:
    """Returns the ace of spades as an icon of 48 × 48 pixels."""
    card = sprites.card(Card("S", 1), 34)
    opacity = 255 - card.clear
    colours = card.ink // np.maximum(opacity, 1)
    face = Image.fromarray(np.dstack([colours, opacity]).astype(np.uint8), "RGBA")
    icon = Image.new("RGBA", (48, 48))
    icon.paste(face, (7, 0))
    return icon


def readme_sheet() -> Image.Image:
    """Returns the README's pictures side by side."""
    gap, columns = 8, 3
    pictures = [entry.picture() for entry in README]
    size = pictures[0].width
    rows = -(-len(pictures) // columns)
    sheet = Image.new(
        "RGBA", (columns * (size + gap) - gap, rows * (size + gap) - gap), (0, 0, 0, 0)
    )
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(picture, (column * (size + gap), row * (size + gap)))
    return sheet
