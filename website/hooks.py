"""Pages that `mkdocs build` generates: those of the games, the gallery, and the API.

mkdocs calls the functions here by their names. Nothing is written to docs.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import gallery
import game_pages
from api_pages import api_index, api_pages, modules
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the generated pages to the navigation, at the folders that mkdocs.yml names."""
    made = {
        "games/": [
            {"All ids": "games/index.md"},
            *({page.name: f"games/{page.slug}.md"} for page in game_pages.games()),
        ],
        "api/": api_index(ROOT),
    }
    config.nav = _filled(config.nav, made)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages and pictures."""

    def add(path: str, content: str | bytes) -> None:
        files.append(File.generated(config, path, content=content))

    pages = game_pages.games()
    for page in pages:
        moving = game_pages.moving_picture(page)
        if moving is not None:
            add(f"images/episodes/{page.slug}.gif", moving[1])
        add(
            f"games/{page.slug}.md",
            game_pages.game_page(page, moving[0] if moving else None),
        )
    add("games/index.md", game_pages.index_page(pages))
    text, pictures = gallery.gallery()
    add("gallery.md", text)
    for path, content in pictures.items():
        add(path, content)
    for path, text in api_pages(ROOT).items():
        add(path, text)
    add("images/favicon.png", gallery.png(gallery.favicon()))
    add("changelog.md", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links names of the packages in a text to the API reference."""
    if page.file.src_uri.startswith(("api/", "changelog")):
        return markdown
    if page.file.src_uri == "index.md":
        markdown = markdown.replace("<!-- games -->", _games(files))
    return with_links(markdown)


def with_links(markdown: str) -> str:
    """Returns the text with links to the reference, except in code blocks and links."""
    return re.sub(
        r"^```.*?^```|(?<!\[)`((?:gym_cards|vlm_agent)(?:\.\w+)+)`(?!\])",
        lambda found: _linked(found[0], found[1]),
        markdown,
        flags=re.DOTALL | re.MULTILINE,
    )


def _games(files: Files) -> str:
    """Returns moving pictures of all games that link to their pages."""
    figures = []
    for page in game_pages.games():
        image = f"images/episodes/{page.slug}.gif"
        if files.get_file_from_path(image) is not None:
            link = f"[![{page.name}]({image})](games/{page.slug}.md)"
            figures.append(gallery.figure(link, page.name))
    return gallery.grid(figures)


def _linked(text: str, name: str | None) -> str:
    """Returns the name as a link, if the reference has it."""
    if name is None:
        return text
    try:
        named = pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return text
    if not inspect.ismodule(named):
        if f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', '')}" != name:
            return text
        if not named.__doc__ or named.__module__ not in modules(ROOT):
            return text
    elif name not in modules(ROOT):
        return text
    return f"[{text}][{name}]"


def _filled(nav: Any, made: dict[str, Any]) -> Any:
    if isinstance(nav, list):
        return [_filled(item, made) for item in nav]
    if isinstance(nav, dict):
        return {title: _filled(item, made) for title, item in nav.items()}
    return made.get(nav, nav)
