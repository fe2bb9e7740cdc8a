"""Gymnasium's own window, with real key events."""

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.play import KeyboardPlay

pygame = pytest.importorskip("pygame")
gymnasium_play = pytest.importorskip("gymnasium.utils.play")

IDS = [id for id, spec in gym.registry.items() if spec.namespace == "gym_cards"]


@pytest.fixture
def play(monkeypatch):
    """Runs `gymnasium.utils.play.play`, with one entry of a script before each picture.

    An entry is a key to press, a negated one to release, or 0 for none; at its end the window is
    closed. Returns the steps as (action, reward, over, info).
    """

    def play(env, script, **kwargs):
        steps, entries = [], iter(script)

        def events():
            entry = next(entries, None)
            if entry is None:
                return [pygame.event.Event(pygame.QUIT)]
            kind = pygame.KEYDOWN if entry > 0 else pygame.KEYUP
            return [pygame.event.Event(kind, key=abs(entry))] if entry else []

        def keep(before, after, action, reward, terminated, truncated, info):
            steps.append((int(action), float(reward), terminated or truncated, info))

        monkeypatch.setattr(pygame.event, "get", events)
        gymnasium_play.play(env, fps=1000, seed=3, callback=keep, **kwargs)
        return steps

    return play


def pressed(*keys, pictures=3):
    """The script of keys that are held for some pictures each."""
    return [entry for key in keys for entry in (key, *[0] * pictures, -key, 0)]


def make(name, **kwargs):
    return gym.make(f"gym_cards/{name}-v0", render_mode="rgb_array", **kwargs)


@pytest.mark.parametrize("waits", [True, False])
def test_a_key_plays_one_move_and_nothing_else_is_played(play, waits):
    env = KeyboardPlay(make("Points24"))
    env.reset(seed=3)
    formula = env.get_wrapper_attr("expert")()[1].partition("rest ")[2].replace("10", "0")
    keys = [ord({"+": "p", "*": "x", "=": "\r"}.get(key, key)) for key in formula]
    script = [*[0] * 5, *pressed(*keys), *[0] * 5, *pressed(*keys[:1])]
    steps = play(env, script, wait_on_player=waits)
    rewards = [reward for _, reward, _, _ in steps if reward]
    assert rewards == [10.0], "each key counts once, and pictures without a key count nothing"
    assert [over for _, _, over, _ in steps].count(True) == 1
    ends = [i for i, step in enumerate(steps) if step[2]]
    (won,) = [i for i, step in enumerate(steps) if step[1]]
    assert won < ends[0], "the end is seen until another key is pressed"
    assert all(info["state"]["current formula"] != formula[0] for *_, info in steps[ends[0] + 1 :])


def test_a_key_is_played_again_after_it_was_let_go(play):
    for waits in (True, False):
        env = KeyboardPlay(make("NumberLine"))
        play(env, pressed(ord("-"), ord("-"), ord("+")), wait_on_player=waits)
        assert env.unwrapped._actions == [0, 0, 1]


def test_keys_that_overlap_play_one_move_each(play):
    env = KeyboardPlay(make("Points24"))
    play(env, [ord("1"), 0, ord("2"), 0, 0, -ord("1"), 0, 0, -ord("2"), 0])
    assert env.unwrapped._actions == [0, 1]


def test_the_games_own_keys_work_without_the_wrapper(play):
    env = make("Blackjack")
    steps = play(env, [0, 0, 0, ord("1"), -ord("1"), 0, 0], wait_on_player=True)
    assert [action for action, *_ in steps] == [0]


@pytest.mark.parametrize("env_id", [id for id in IDS if "ALFWorld" not in id])
def test_every_game_has_a_key_for_every_move(env_id):
    env = KeyboardPlay(gym.make(env_id, render_mode="rgb_array"))
    keys = env.get_keys_to_action()
    assert all(action in env.action_space for action in keys.values())
    if env.is_listed:
        env.reset(seed=0)
        assert env.render().shape[0] > env.env.render().shape[0]
    else:
        assert {*keys.values(), env.WAIT} == set(range(env.action_space.n))
        assert gym.make(env_id).unwrapped.get_keys_to_action() == {
            key: action - 1 for key, action in keys.items()
        }


def test_commands_are_chosen_from_a_list(play, make_session):
    make_session("Corridor")
    env = KeyboardPlay(gym.make("play/Corridor-v0", render_mode="rgb_array"))
    env.reset(seed=3)
    lamp = env.unwrapped.lamp
    downs = [pygame.K_PAGEDOWN] * (lamp // 5) + [pygame.K_DOWN] * (lamp % 5)
    script = pressed(*downs, pygame.K_UP, pygame.K_RETURN, pictures=1)
    steps = play(env, script)
    assert env.unwrapped.room == lamp
    assert [reward for _, reward, _, _ in steps if reward] == [1.0]


def test_the_list_is_below_the_picture_and_shows_the_choice(make_session):
    make_session("Corridor")
    env = KeyboardPlay(gym.make("play/Corridor-v0", render_mode="rgb_array"))
    env.reset(seed=3)
    before = env.render()
    assert np.array_equal(before[:200], env.env.render())
    env.step(2)
    after = env.render()
    assert np.array_equal(before[:200], after[:200])
    assert not np.array_equal(before, after)
    assert after.shape == before.shape


@pytest.mark.slow
def test_the_household_is_played_by_gymnasiums_window(play):
    env = KeyboardPlay(make("ALFWorld", size=150))
    script = [0, 0, *pressed(pygame.K_DOWN, pygame.K_RETURN, pictures=1), 0]
    steps = play(env, script)
    texts = [info["observation_text"] for *_, info in steps]
    # "help" comes first, then "inventory".
    assert "You are not carrying anything." in texts[-1]
    assert len(set(texts)) == 2
