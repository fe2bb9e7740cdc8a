"""Observations that are drawn only when they are looked at."""

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.render.canvas import Canvas

GAMES = {
    "NumberLine": [{}, {"display": "line"}],
    "EZPoints": [{}],
    "Points24": [{}, {"position_jitter": 4, "rotation_jitter": 8}],
    "Blackjack": [{}, {"position_jitter": 4, "reveal_dealer": True}, {"reveal_dealer": True}],
    "Memory": [{}],
    "SET": [{"num_cards": 3, "rotation_jitter": 4}],
    "VideoPoker": [{}],
}
CASES = [(name, kwargs) for name, each in GAMES.items() for kwargs in each]


def make(name, kwargs, *, lazy):
    env = gym.make(f"gym_cards/{name}-v0", render_mode="rgb_array", **kwargs).unwrapped
    env.lazy_observations = lazy
    return env


def moments(env, episodes=12, seed=0):
    """Plays random moves; yields what `reset` and `step` return, without the picture and with."""
    rng = np.random.default_rng(seed)
    for episode in range(episodes):
        picture, info = env.reset(seed=episode)
        yield picture, info, 0.0
        ended = False
        while not ended:
            action = int(rng.integers(env.action_space.n))
            picture, reward, terminated, truncated, info = env.step(action)
            yield picture, info, reward
            ended = terminated or truncated


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_what_is_looked_at_is_what_would_have_been_drawn(name, kwargs):
    eager, lazy = make(name, kwargs, lazy=False), make(name, kwargs, lazy=True)
    rng = np.random.default_rng(1)
    for (shown, info, reward), (blank, other, paid) in zip(
        moments(eager), moments(lazy), strict=True
    ):
        assert shown.any()
        assert not blank.any()
        assert blank.shape == shown.shape
        assert blank in lazy.observation_space
        assert (info["state"], reward) == (other["state"], paid)
        if rng.random() < 0.5:
            if rng.random() < 0.5:
                assert np.array_equal(lazy.current_observation(), shown)
            else:
                # At the end it may show more than the observation.
                assert np.array_equal(lazy.render(), eager.render())
        assert np.array_equal(eager.current_observation(), shown)


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_nothing_is_drawn_until_somebody_looks(name, kwargs, monkeypatch):
    drawn = []
    put = Canvas.put
    monkeypatch.setattr(Canvas, "put", lambda *args: (drawn.append(1), put(*args))[1])
    env = make(name, kwargs, lazy=True)
    drawn.clear()  # what is on every picture
    for _ in moments(env):
        assert not drawn
    env.reset(seed=0)
    env.current_observation()
    assert drawn or "position_jitter" in kwargs  # where cards are moved they are pasted


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_drawing_may_be_turned_on_again_in_the_middle(name, kwargs):
    eager, changing = make(name, kwargs, lazy=False), make(name, kwargs, lazy=False)
    rng = np.random.default_rng(2)
    pictures = 0
    for (shown, _, _), (picture, _, _) in zip(moments(eager), moments(changing), strict=True):
        if not changing.lazy_observations:
            assert np.array_equal(picture, shown)
            pictures += 1
        changing.lazy_observations = bool(rng.random() < 0.5)
    assert pictures > 5


def test_a_batch_of_games_draws_as_it_did():
    """A game's own attribute means nothing to a batch, which is drawn in one array."""
    games = gym.make_vec("gym_cards/Points24-v0", num_envs=2)
    plain = gym.make_vec("gym_cards/Points24-v0", num_envs=2)
    for each in (games, plain):
        each.reset(seed=3)
    for action in (11, 14, 3):
        seen, expected = games.step([action] * 2)[0], plain.step([action] * 2)[0]
        assert np.array_equal(seen, expected)
