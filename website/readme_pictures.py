"""Command that draws the README's pictures of the games and their variants.

Run `python website/readme_pictures.py`; it rewrites docs/images/readme.
"""

from __future__ import annotations

from pathlib import Path

import gallery
import game_pages

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images" / "readme"


def main() -> None:
    """Draws and saves."""
    IMAGES.mkdir(exist_ok=True)
    for page in game_pages.games():
        moving = game_pages.moving_picture(page)
        if moving is None:
            raise SystemExit(f"{page.name} needs a package that is not installed; install .[docs]")
        (IMAGES / f"{page.slug}.gif").write_bytes(moving[1])
    (IMAGES / "variants.png").write_bytes(gallery.png(gallery.readme_sheet()))


if __name__ == "__main__":
    main()
