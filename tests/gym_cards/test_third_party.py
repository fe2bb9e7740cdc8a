"""The card game that the docs show, as a package that knows nothing of this one's tests."""

import copy
import json
import re
import sys
from pathlib import Path

import gymnasium as gym
import pytest
from card_games import same
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from many_games import assert_same_form, make_vec, playing, synchronous

from gym_cards.play.session import Game, Session

PAGE = Path(__file__).parents[2] / "docs" / "environments" / "adding-an-environment.md"
ID = "bright/HigherCard-v0"
JITTER = {"position_jitter": 30, "rotation_jitter": 15, "size": 200}

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """Installs the example as the module `higher_card`."""
    (code,) = re.findall(r"```python\n(# higher_card\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "higher_card.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    gym.registry.pop(ID, None)
    sys.modules.pop("higher_card", None)


def make(**kwargs):
    return gym.make(f"higher_card:{ID}", disable_env_checker=True, **kwargs).unwrapped


@pytest.mark.parametrize("kwargs", [{}, JITTER], ids=str)
def test_gymnasium_finds_no_fault(kwargs):
    check_env(make(render_mode="rgb_array", **kwargs))


@pytest.mark.parametrize("kwargs", [{}, JITTER], ids=str)
def test_every_picture_is_that_of_a_new_game(kwargs):
    """Nothing is left of the cards before."""
    env = make(**kwargs)
    for seed in range(20):
        picture, _ = env.reset(seed=seed)
        assert same(picture, make(**kwargs).reset(seed=seed)[0])
    for _ in range(10):
        picture, _ = env.reset()
        other = make(**kwargs)
        other.restore(env.snapshot())
        assert same(other._observation(), picture)


def test_cards_are_displaced():
    options = {"cards": ["S9", "HK"]}
    pictures = [make(**JITTER).reset(seed=seed, options=options)[0] for seed in range(5)]
    assert len({picture.tobytes() for picture in pictures}) == 5


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("kwargs", [{}, JITTER], ids=str)
def test_a_batch_equals_single_games(kwargs, mode):
    make()
    ours = make_vec(ID, 3, autoreset_mode=mode, **kwargs)
    theirs = synchronous(ID, 3, mode, 10, **kwargs)
    for one, other in zip(playing(ours, mode, 1, 8), playing(theirs, mode, 1, 8), strict=True):
        assert same(one[:-1], other[:-1])
        assert_same_form(one[-1], other[-1])


def test_snapshots():
    env, other = make(**JITTER), make(**JITTER)
    env.reset(seed=3)
    other.restore(json.loads(json.dumps(env.snapshot())))
    assert same(other._observation(), env._observation())
    assert same(other.info(), env.info())
    ended = env.step(0)
    assert same(other.step(0), ended)
    env.restore(json.loads(json.dumps(other.snapshot())))
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    assert same(env.reset(), other.reset())
    assert same(copy.deepcopy(env).step(1), env.step(1))


def test_the_expert_always_wins_and_says_why():
    env = make()
    for seed in range(30):
        _, info = env.reset(seed=seed)
        action, reason = env.expert()
        left, right = info["state"].values()
        side = ("left", "right")[action]
        assert reason == f"left card {left}, right card {right}, so I choose {side}"
        exact = env.exact(gamma=0.5)
        assert exact.action_values == (float(action == 0), float(action == 1))
        assert exact.success_probability == 1.0
        assert env.step(action)[1:4] == (1.0, True, False)
        assert env.exact().action_values == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cards": ["S9"]}, "expected 2 cards, got 1"),
        ({"cards": ["S9", "HK", "D2"]}, "expected 2 cards, got 3"),
        ({"cards": ["S9", "H9"]}, "expected cards of different ranks"),
        ({"hand": ["S9", "HK"]}, "expected a dictionary with exactly the keys 'cards'"),
    ],
)
def test_wrong_options(options, told):
    with pytest.raises(ValueError, match=told):
        make().reset(options=options)


def test_arguments_of_the_style():
    assert make(size=100, background="#203040").reset()[0].shape == (100, 100, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        make(colour="red")
    with pytest.raises(ValueError, match="size=20: expected"):
        make(size=20)


def test_it_is_played_by_hand():
    session = Session(Game(f"higher_card:{ID}", {}, 0))
    best = session.opening.name
    session.play(next(choice for choice in session.choices if choice.name == best))
    assert session.finished
    assert session.won
    assert session.picture.shape == (300, 300, 3)
