import pytest

from gym_cards.core.keys import captions, keys_to_action, moves_of_keys

POINTS = (*map(str, range(1, 11)), "+", "-", "*", "/", "(", ")", "=")
LARGE = (*map(str, range(1, 14)), "+", "*", "=")
PLACES = tuple(map(str, range(1, 31)))
HOLDS = tuple(f"hold {cards:05b}" for cards in range(32))
ALL = (POINTS, LARGE, PLACES, HOLDS, ("-", "+"), ("stand", "hit"))


@pytest.mark.parametrize(
    ("names", "typed", "played"),
    [
        (POINTS, "1", "1"),
        (POINTS, "0", "10"),
        (POINTS, "k", "10"),
        (POINTS, "a", "1"),
        (POINTS, "x", "*"),
        (POINTS, "=", "="),
        (POINTS, "\r", "="),
        (POINTS, "p", "+"),
        (POINTS, "[", "("),
        (POINTS, "]", ")"),
        (PLACES, "0", "10"),
        (PLACES, "a", "11"),
        (PLACES, "w", "30"),
        (HOLDS, "9", "hold 01000"),
        (HOLDS, "z", "hold 11111"),
        (LARGE, "0", "10"),
        (LARGE, "j", "11"),
        (LARGE, "q", "12"),
        (LARGE, "k", "13"),
        (("-", "+"), "=", "+"),
        (("-", "+"), "_", "-"),
        (("stand", "hit"), "1", "stand"),
        (("stand", "hit"), "2", "hit"),
    ],
)
def test_keys_play_what_they_say(names, typed, played):
    assert names[moves_of_keys(names)[typed]] == played


@pytest.mark.parametrize("names", ALL)
def test_every_move_has_a_key(names):
    assert set(moves_of_keys(names).values()) == set(range(len(names)))


def test_the_keys_of_tools_play_nothing():
    for names in ALL:
        assert not {"n", "h", "r", " "} & set(moves_of_keys(names))


def test_captions_tell_the_keys_that_the_text_does_not():
    told = dict(zip(LARGE, captions(LARGE), strict=True))
    assert {name: key for name, key in told.items() if key} == {
        "10": "0",
        "11": "J",
        "12": "Q",
        "13": "K",
        "=": "Enter",
    }
    assert captions(PLACES)[8:12] == ["", "0", "A", "B"]
    assert captions(("stand", "hit")) == ["1", "2"]
    assert captions(("-", "+")) == ["", ""]


def test_moves_beyond_the_keyboard_have_no_key():
    names = tuple(f"column {i}" for i in range(60))
    assert sorted(moves_of_keys(names).values()) == list(range(32))
    assert captions(names)[31:33] == ["Z", ""]


def test_gymnasiums_window_has_the_same_keys_and_the_keypad():
    pygame = pytest.importorskip("pygame")
    keys = keys_to_action(POINTS)
    assert {key: index for (key,), index in keys.items() if isinstance(key, str)} == moves_of_keys(
        POINTS
    )
    pad = {POINTS[index]: key for (key,), index in keys.items() if isinstance(key, int)}
    assert pad == {
        **{str(digit): getattr(pygame, f"K_KP{digit}") for digit in range(1, 10)},
        "10": pygame.K_KP0,
        "+": pygame.K_KP_PLUS,
        "-": pygame.K_KP_MINUS,
        "*": pygame.K_KP_MULTIPLY,
        "/": pygame.K_KP_DIVIDE,
        "=": pygame.K_KP_ENTER,
    }
