import pytest

from gym_cards.play.keys import captions, moves_of_keys

POINTS = (*map(str, range(1, 11)), "+", "-", "*", "/", "(", ")", "=")
LARGE = (*map(str, range(1, 14)), "+", "*", "=")


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


@pytest.mark.parametrize("names", [POINTS, LARGE, ("-", "+"), ("stand", "hit")])
def test_every_move_has_a_key(names):
    assert set(moves_of_keys(names).values()) == set(range(len(names)))


def test_the_keys_of_tools_play_nothing():
    for names in (POINTS, LARGE, ("-", "+"), ("stand", "hit")):
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
    assert captions(("stand", "hit")) == ["1", "2"]
    assert captions(("-", "+")) == ["", ""]
