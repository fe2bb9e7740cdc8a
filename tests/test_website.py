"""The site's pages and pictures follow from the registry, and show what the environments do."""

import functools
import inspect
import io
import sys
import textwrap
from pathlib import Path

import episodes
import gallery
import game_pages
import gymnasium as gym
import hooks
import numpy as np
import pytest
from api_pages import api_index, api_pages
from PIL import Image, ImageSequence

from gym_cards.core.env import CardGameEnv
from gym_cards.render.style import CardStyleOptions, StyleOptions

ROOT = Path(__file__).parents[1]
README_PICTURES = ROOT / "docs" / "images" / "readme"
PAGES = game_pages.games()

every_game = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@functools.cache
def moving_picture(name):
    return game_pages.moving_picture(next(page for page in PAGES if page.name == name))


def frames(gif):
    return [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(gif)]


def assert_shown(shown, episode):
    """Each frame is that of its moment, but for what the palette takes away."""
    assert len(shown) == episode.steps + 1
    pictures = [moment.picture for moment in episode.moments]
    height = pictures[0].shape[0]
    for index, frame in enumerate(shown):
        assert frame.shape == (height + episodes.CAPTION, *pictures[0].shape[1:])
        distances = [np.abs(frame[:height] - picture).mean() for picture in pictures]
        assert distances[index] == min(distances) < 6, "run python website/readme_pictures.py"


@pytest.fixture
def foreign_game(tmp_path, monkeypatch):
    """Registers a game of this package that needs another one."""
    (tmp_path / "foreign_game.py").write_text(
        textwrap.dedent('''
            import gymnasium as gym


            class ForeignEnv(gym.Env):
                """Do something.

                ## Description
                It needs what nobody has.
                """

                metadata = {"render_modes": ["rgb_array"], "render_fps": 4}
                task_description = "Do it."

                def __init__(self, render_mode=None):
                    raise gym.error.DependencyNotInstalled("pip install it")
        ''')
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    gym.register(id="gym_cards/Foreign-v0", entry_point="foreign_game:ForeignEnv")
    yield
    del gym.registry["gym_cards/Foreign-v0"], sys.modules["foreign_game"]


def test_every_id_is_listed():
    ids = [env_id for env_id in gym.registry if env_id.startswith("gym_cards/")]
    listed = game_pages.index_page(PAGES)
    assert [listed.count(f"| `{env_id}` |") for env_id in ids] == [1] * len(ids)
    # Every variant says what is new about it, in its game's docstring.
    assert all(
        game_pages.what_is_new(page, spec.id)
        for page in PAGES
        for spec in page.specs
        if spec.kwargs
    )


@every_game
def test_a_page_is_the_docstring(page):
    text = game_pages.game_page(page, None)
    documented = inspect.cleandoc(page.game.__doc__)
    assert text.startswith(f"# {page.name}\n\n{documented.splitlines()[0]}\n")
    assert documented.split("\n", 1)[1].strip() in text
    assert "## What an agent is told" in text


def test_a_game_gets_its_page_by_being_registered(foreign_game):
    (page,) = (page for page in game_pages.games() if page.name == "Foreign")
    assert page.slug == "foreign"
    assert "It needs what nobody has." in game_pages.game_page(page, None)
    assert "> Do it." in game_pages.game_page(page, None)
    assert game_pages.moving_picture(page) is None


@every_game
def test_the_expert_wins_in_the_moving_picture(page):
    episode, gif = moving_picture(page.name)
    assert episode.won
    assert episode.total > 0
    assert len(gif) < episodes.LIMIT
    assert_shown(frames(Image.open(io.BytesIO(gif))), episode)
    assert f"seed {episode.seed}" in game_pages.game_page(page, episode)


@every_game
def test_the_readme_moves_as_the_games_do(page):
    episode, _ = moving_picture(page.name)
    with Image.open(README_PICTURES / f"{page.slug}.gif") as gif:
        assert_shown(frames(gif), episode)


def test_the_readme_shows_variants_as_they_are():
    with Image.open(README_PICTURES / "variants.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(gallery.readme_sheet())), (
            "run python website/readme_pictures.py"
        )


def test_a_reason_is_wrapped_to_fit():
    picture = np.zeros((100, 300, 3), np.uint8)
    moments = (episodes.Moment(picture, "go", "for no reason " * 5, -1.0), episodes.Moment(picture))
    gif = episodes.animation(episodes.Episode(0, "", moments, False))
    first, last = frames(Image.open(io.BytesIO(gif)))
    written = first[100:] != first[-1, -1]
    assert written[:, :8].sum() == written[:, -8:].sum() == 0
    assert written[25:40].any()
    assert written[40:].any()
    assert not np.array_equal(first, last)


def test_the_gallery_shows_every_argument_of_the_card_games():
    shown = {}
    for section in gallery.SECTIONS:
        for entry in section.entries:
            spec = gym.spec(entry.env_id)
            shown.setdefault(spec.entry_point, set()).update(entry.kwargs, spec.kwargs)
    # One game is enough to show what all cards look like.
    looks = set().union(*shown.values())
    for page in PAGES:
        if issubclass(page.game, CardGameEnv):
            parameters = inspect.signature(page.game).parameters
            names = set(parameters) - {"style", "render_mode"} - gallery.WITHOUT_PICTURE
            assert names <= looks, names - looks
    assert set(CardStyleOptions.__annotations__) | set(StyleOptions.__annotations__) <= looks


def test_every_picture_of_the_gallery_is_beside_its_call():
    text, pictures = gallery.gallery()
    entries = [entry for section in gallery.SECTIONS for entry in section.entries]
    assert len(pictures) == len(entries)
    for entry, (path, content) in zip(entries, pictures.items(), strict=True):
        size = {**gym.spec(entry.env_id).kwargs, **entry.kwargs}.get("size", 300)
        assert Image.open(io.BytesIO(content)).size == (size, size)
        assert text.index(f"]({path})") < text.index(f"`{entry.call}`", text.index(path))
        scope = {"gym": gym}
        exec(f"env = {entry.call}", scope)
        assert scope["env"].spec.id == entry.env_id
        assert entry.kwargs.items() <= scope["env"].spec.kwargs.items()


def test_the_gallery_does_without_what_is_not_installed(monkeypatch, foreign_game):
    section = gallery.Section("Elsewhere", "", (gallery.Entry("Foreign", "nothing"),))
    monkeypatch.setattr(gallery, "SECTIONS", (gallery.SECTIONS[1], section))
    text, pictures = gallery.gallery()
    assert "Elsewhere" not in text
    assert len(pictures) == len(gallery.SECTIONS[0].entries)


def test_every_module_has_its_place_in_the_reference():
    pages = api_pages(ROOT)
    assert "api/gym_cards.wrappers.md" in pages
    assert not [path for path in pages if path.startswith("api/gym_cards.play") or "__" in path]
    listed = [
        path
        for package in api_index(ROOT)
        for entries in package.values()
        for entry in entries
        for path in entry.values()
    ]
    assert listed == list(pages)


@pytest.mark.parametrize(
    ("name", "linked"),
    [
        ("gym_cards.points.splits", True),
        ("gym_cards.wrappers.TextObservation", True),
        ("gym_cards.wrappers.Nothing", False),
        ("gym_cards.play", False),
        ("gym_cards.wrappers.gym", False),
        ("vlm_agent.observe", False),
    ],
)
def test_names_lead_to_the_reference(name, linked):
    text = f"see `{name}`\n\n```\n`{name}`\n```\n"
    link = f"[`{name}`][{name}]" if linked else f"`{name}`"
    assert hooks.with_links(text) == f"see {link}\n\n```\n`{name}`\n```\n"


def test_every_page_is_in_the_navigation():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if f" {page}\n" not in listed]
