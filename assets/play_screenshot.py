"""Takes the picture of the window that the documents show.

Run `python assets/play_screenshot.py`; it rewrites docs/images/play.png and needs no display.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gym_cards.play.app import SIZE, App
from gym_cards.play.session import Game, Session
from gym_cards.window import load_pygame

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "play.png"
BEFORE = ("10", "+", "4", "+", "10", "*", "1", "=")
MOVES = ("(", "10", "-", "8", ")", "*")


def main() -> None:
    """Plays a deal and half of the next one, asks for a hint, and saves what the window shows."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    pygame = load_pygame("the picture is taken")
    session = Session(Game("gym_cards/Points24-v0", {}, seed=27))
    app = App(session)
    app.resize(*SIZE)
    _play(session, BEFORE)
    session.new()
    _play(session, MOVES)
    session.ask()
    app.draw()
    surface = pygame.display.get_surface()
    picture = Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))
    # A palette makes the file a fraction as large; this way of choosing one keeps rare colours.
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    small.save(IMAGE, optimize=True)
    app.close()


def _play(session: Session, names: Sequence[str]) -> None:
    for name in names:
        session.play(next(choice for choice in session.choices if choice.name == name))


if __name__ == "__main__":
    main()
