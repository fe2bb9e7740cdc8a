"""The formula as the picture and the state write it: as published, or the way it is read."""

import itertools

import numpy as np
import pytest
from card_games import make, picture_of
from many_games import make_vec

from gym_cards.points.formula import (
    REFUSED_MARK,
    evaluate_published,
    published_symbols,
    text_as_read,
    words_as_read,
)

HAND = {"cards": ["HA", "C2", "S4", "DK"]}
TOKENS = ["1", "12", " ", "+", "*", "/", "(", ")"]


def play(env, texts):
    """Plays tokens by their text; one that no card has is refused."""
    env.reset(options=HAND)
    for text in texts:
        env.step(env.action_names.index(text))
    return env


@pytest.mark.parametrize(
    ("rules", "played", "words", "text"),
    [
        ("published", ["2", "4"], ["24"], "24"),
        ("published", ["2", "4", "10", "1"], ["24101"], "24101"),
        ("published", ["2", "9", "4"], ["2", "_", "4"], "2_4"),
        ("published", ["2", "*", "*", "4"], ["2", "**", "4"], "2**4"),
        ("published", ["2", "*", "*", "*", "/", "/", "4"], ["2", "**", "*", "//", "4"], "2** *//4"),
        ("published", ["*", "9", "*"], ["*", "_", "*"], "*_*"),
        ("published", ["4", "-", "-", "2"], ["4", "-", "-", "2"], "4--2"),
        ("published", ["9", "9"], ["_", "_"], "__"),
        ("exact", ["2", "4"], ["2", "4"], "2 4"),
        ("exact", ["2", "9", "4"], ["2", "_", "4"], "2_4"),
        ("exact", ["2", "*", "*", "4"], ["2", "*", "*", "4"], "2* *4"),
        ("exact", ["(", "2", "+", "4", ")"], ["(", "2", "+", "4", ")"], "(2+4)"),
    ],
)
def test_picture_and_state_show_what_counts(rules, played, words, text, written):
    env = make("Points24", rules=rules, notation="as_read", render_mode="rgb_array")
    play(env, played)
    assert env.info()["state"]["current formula"] == text
    # The words that are on the picture now, however they came there.
    written.clear()
    env._draw()
    assert [one for one, *_ in written] == words
    assert np.array_equal(env.render(), picture_of(env, env.info()))


def test_what_the_published_picture_hides():
    env = make("Points24")
    shown = {
        texts: play(env, texts.split("|")).current_observation().tobytes()
        for texts in ("2|4", "2", "2|9", "2|9|4")
    }
    # A refused number at the end, and that neighbours join.
    assert shown["2|9"] == shown["2"]
    assert shown["2|9|4"] != shown["2|4"]
    assert play(env, ["2", "4"]).info()["state"]["current formula"] == "24"
    told = make("Points24", notation="as_read")
    assert len({play(told, t.split("|")).current_observation().tobytes() for t in shown}) == 4


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_text_is_read_as_the_tokens_are(length):
    for tokens in itertools.product(TOKENS, repeat=length):
        words = words_as_read(tokens, joins=True)
        assert [word for word in words if word != REFUSED_MARK] == published_symbols(tokens)
        again = text_as_read(words).replace(REFUSED_MARK, " ")
        assert evaluate_published(list(again)) == evaluate_published(tokens)
        apart = words_as_read(tokens, joins=False)
        assert [" " if word == REFUSED_MARK else word for word in apart] == list(tokens)


@pytest.mark.parametrize("size", [64, 300])
@pytest.mark.parametrize("font_scale", [0.5, 1, 2])
@pytest.mark.parametrize(("game", "cards"), [("EZPoints", 2), ("EZPoints", 6), ("Points24", 6)])
def test_any_formula_fits(game, cards, font_scale, size):
    style = {"size": size, "font_scale": font_scale}
    env = make(game, num_cards=cards, hands="any", notation="as_read", **style)
    for played in (["10"], ["*"], ["9"], ["9", "*", "*"]):
        env.reset(options={"cards": ["HK"] * cards})
        tokens = itertools.cycle(played)
        while env._playing:
            env.step(env.action_names.index(next(tokens)))
        assert len(env.info()["Formula"]) == env._max_length + 1


def test_the_description_tells_the_notation():
    plain = make("Points24").task_description
    assert "a blank is appended" in plain
    assert "blanks included" in plain
    for rules, joins in (("published", True), ("exact", False)):
        told = make("Points24", rules=rules, notation="as_read").task_description
        assert '"_" is appended in its place' in told
        assert 'each "_" included' in told
        assert ("1 and 2 are 12" in told) is joins


def test_batches_write_alike():
    envs = make_vec("Points24AsRead", 2)
    alone = make("Points24AsRead")
    envs.reset(seed=4, options=HAND)
    alone.reset(seed=4, options=HAND)
    for text in ("2", "4", "9", "*", "*"):
        action = alone.action_names.index(text)
        seen, *_, infos = envs.step([action, action])
        picture, *_, info = alone.step(action)
        assert np.array_equal(seen[0], picture)
        assert infos["state"]["current formula"][1] == info["state"]["current formula"]
    assert info["state"]["current formula"] == "24_**"
