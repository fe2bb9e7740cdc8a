"""Takes the pictures of the window that the documents show.

Run `python assets/play_screenshot.py`; it rewrites docs/images/play*.png and needs no display.
"""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from gym_cards.core.window import load_pygame
from gym_cards.play.app import App
from gym_cards.play.drawing.layout import SIZE
from gym_cards.play.session import Game, Session

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main() -> None:
    """Shows a formula after a game that was won, and a chore half done."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    session = Session(Game("gym_cards/Points24-v0", {}, seed=11))
    while not session.finished:
        _follow_hint(session)
    session.new()
    for _ in range(6):
        _follow_hint(session)
    _take(session, "play.png")
    session = Session(Game("gym_cards/ALFWorld-v0", {}, seed=3))
    for _ in range(2):
        _follow_hint(session)
    _take(session, "play_alfworld.png")


def _follow_hint(session: Session) -> None:
    session.ask()
    hint = session.hint
    session.play(next(c for c in session.choices if hint is not None and c.name == hint.name))


def _take(session: Session, name: str) -> None:
    """Asks for a hint and saves what the window shows."""
    pygame = load_pygame("the picture is taken")
    app = App(session)
    app.resize(*SIZE)
    session.ask()
    app.draw()
    surface = pygame.display.get_surface()
    picture = Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))
    # A palette makes the file a fraction as large; this way of choosing one keeps rare colours.
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    small.save(IMAGES / name, optimize=True)
    app.close()


if __name__ == "__main__":
    main()
