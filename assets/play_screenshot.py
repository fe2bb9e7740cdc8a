"""Takes the picture of the window that the documents show.

Run `python assets/play_screenshot.py`; it rewrites docs/images/play.png and needs no display.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from gym_cards.play.app import SIZE, App
from gym_cards.play.session import Game, Session
from gym_cards.window import load_pygame

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "play.png"
SEED = 11
MOVES = 6


def main() -> None:
    """Plays a deal and half of the next one, asks for a hint, and saves what the window shows."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    pygame = load_pygame("the picture is taken")
    session = Session(Game("gym_cards/Points24-v0", {}, seed=SEED))
    app = App(session)
    app.resize(*SIZE)
    while not session.finished:
        _follow_hint(session)
    session.new()
    for _ in range(MOVES):
        _follow_hint(session)
    session.ask()
    app.draw()
    surface = pygame.display.get_surface()
    picture = Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))
    # A palette makes the file a fraction as large; this way of choosing one keeps rare colours.
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    small.save(IMAGE, optimize=True)
    app.close()


def _follow_hint(session: Session) -> None:
    session.ask()
    hint = session.hint
    session.play(next(c for c in session.choices if hint is not None and c.name == hint.name))


if __name__ == "__main__":
    main()
