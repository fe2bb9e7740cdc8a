"""Nothing in the window overlaps or is cut off, whatever the game and the size."""

from itertools import combinations

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.play.app import App
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.layout import arrange, command_area, scale_for
from gym_cards.play.drawing.painter import Painter

pygame = pytest.importorskip("pygame")

SMALL = [(320, 240), (640, 480)]
SIZES = [*SMALL, (1280, 800), (420, 700), (1000, 380), (200, 150)]
SPECS = [spec for spec in gym.registry.values() if spec.namespace == "gym_cards"]
# Each game as published; variants differ in words alone.
GAMES = {spec.entry_point: spec.name for spec in reversed(SPECS)}


def overlap(a, b, slack=0.5):
    """Whether two boxes have more in common than rounding explains."""
    width = min(a.right, b.right) - max(a.x, b.x)
    height = min(a.bottom, b.bottom) - max(a.y, b.y)
    return width > slack and height > slack


def is_inside(part, whole, slack=0.5):
    return (
        part.x >= whole.x - slack
        and part.y >= whole.y - slack
        and part.right <= whole.right + slack
        and part.bottom <= whole.bottom + slack
    )


def common(a, b):
    x, y = max(a.x, b.x), max(a.y, b.y)
    return Rect(x, y, min(a.right, b.right) - x, min(a.bottom, b.bottom) - y)


@pytest.fixture
def texts(monkeypatch):
    """The boxes of the texts that are drawn, each with its words; nothing else is drawn."""
    found, clips = [], []

    def text(painter, words, x, y, size, colour=None, *, bold=False, align="left"):
        width = painter.width_of(words, size, bold=bold)
        left = x - {"left": 0.0, "centre": width / 2, "right": width}[align]
        # Capitals and the tails of letters are about as high as the size.
        box = Rect(left, y - size / 2, width, size)
        for clip in clips:
            box = common(box, clip)
        if words and box.width > 0 and box.height > 0:
            found.append((box, words))
        return width

    def spy_clipped(painter, rect):
        class Clip:
            def __enter__(self):
                clips.append(rect)

            def __exit__(self, *_):
                clips.pop()

        return Clip()

    monkeypatch.setattr(Painter, "text", text)
    monkeypatch.setattr(Painter, "clipped", spy_clipped)
    for name in ("box", "background", "picture"):
        monkeypatch.setattr(Painter, name, lambda *_, **__: None)
    return found


def check(app, size, texts):
    app.resize(*size)
    texts.clear()
    app.draw()
    layout, scale = app._layout, app.scale
    window = Rect(0, 0, size[0] / scale, size[1] / scale)
    parts = {name: part for name, part in layout._asdict().items() if isinstance(part, Rect)}
    if not parts["facts"].height:
        del parts["facts"]
    for part in parts.values():
        assert is_inside(part, window), part
        assert part.width > 0
        assert part.height > 0
    for (a, first), (b, second) in combinations(parts.items(), 2):
        assert not overlap(first, second), (a, b)
    assert is_inside(app.picture_place, layout.picture)
    fixed = [button for button in app.buttons if not button.listed]
    for button in fixed:
        part = layout.tools if button.rect.y >= layout.tools.y - 1 else layout.moves
        assert is_inside(button.rect, part), button.label
    for a, b in combinations(app.buttons, 2):
        if a.listed == b.listed:
            assert not overlap(a.rect, b.rect), (a.label, b.label)
    if app.line is not None:
        assert is_inside(command_area(layout), layout.moves, slack=1)
    for box, words in texts:
        assert any(is_inside(box, part, slack=2) for part in (*parts.values(), layout.rules)), words
        for button in fixed:
            assert is_inside(box, button.rect, slack=1) or not overlap(box, button.rect), words
    for (a, first), (b, second) in combinations(texts, 2):
        assert not overlap(a, b, slack=1), (first, second)


def play_on(session):
    """Plays up to the end, not too well."""
    while not session.finished:
        legal = [choice for choice in session.choices if choice.legal]
        session.play(legal[len(session.moves) % len(legal)])


@pytest.mark.parametrize("name", [*GAMES.values(), "Corridor", "Many"])
def test_nothing_overlaps(name, make_session, texts):
    kwargs = {} if name in ("Corridor", "Many") else {"size": 150}
    session = make_session(name, seed=3, **kwargs)
    app = App(session)
    for size in SIZES:
        check(app, size, texts)
    session.ask()
    app._notice = "A notice that is long enough to meet the keys, if nothing shortened it in time"
    for size in SIZES:
        check(app, size, texts)
    app._rules = True
    for size in SMALL:
        check(app, size, texts)
    app._rules = False
    if name != "ALFWorld":
        play_on(session)
        for size in SIZES:
            check(app, size, texts)
    app.close()


@pytest.mark.parametrize("name", sorted({spec.name for spec in SPECS} - set(GAMES.values())))
def test_nothing_overlaps_in_variants(name, make_session, texts):
    app = App(make_session(name, seed=3, size=150))
    app.session.ask()
    for size in SMALL:
        check(app, size, texts)
    app.close()


@pytest.mark.parametrize("name", ["Points24", "Corridor", "Many"])
def test_nothing_overlaps_without_the_state(name, make_session, texts):
    session = make_session(name, seed=3, hide_state=True)
    app = App(session)
    for size in SMALL:
        check(app, size, texts)
    app.close()


def test_the_parts_fill_any_window():
    for width in range(160, 2600, 160):
        for height in range(120, 1700, 120):
            scale = scale_for(width, height)
            window = Rect(0, 0, width / scale, height / scale)
            for textual, typed, facts in ((True, True, 1), (False, True, 9), (False, False, 0)):
                layout = arrange(
                    window.width, window.height, textual=textual, typed=typed, facts=facts
                )
                parts = [part for part in layout if isinstance(part, Rect) and part.height]
                assert all(is_inside(part, window) for part in parts), (width, height)
                assert not any(overlap(*pair) for pair in combinations(parts, 2)), (width, height)
