"""A snapshot holds all that decides how a game goes on, and goes through JSON."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
from card_games import EVERY, lasting_action, make, picture_of, same
from gymnasium.error import ResetNeeded
from many_games import make_vec

every = pytest.mark.parametrize(("env_id", "kwargs"), EVERY, ids=str)


def future(env, steps=12):
    """What random play hands out from now on, and over the episodes to come."""
    rng = np.random.default_rng(9)
    seen = []
    for _ in range(steps):
        mask = env.info()["action_mask"]
        if env._playing:
            seen.append(env.step(lasting_action(env.action_names, rng, mask)))
        else:
            seen.append(env.reset())
        seen.append(env.np_random.bit_generator.state)
    return tuple(seen)


def wander(env, seed, moves):
    """Brings a game into the middle of an episode, or to its end."""
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed)
    for _ in range(moves):
        if not env._playing:
            break
        info = env.step(lasting_action(env.action_names, rng, info["action_mask"]))[4]


@every
def test_a_restored_game_has_the_same_future(env_id, kwargs):
    env, other = make(env_id, **kwargs), make(env_id, **kwargs)
    wander(other, 50, 3)
    for seed, moves in ((0, 0), (1, 1), (2, 4), (3, 60)):
        wander(env, seed, moves)
        saved = json.dumps(env.snapshot())
        assert other.restore(json.loads(saved)) is None
        assert json.dumps(other.snapshot()) == saved
        assert same(other._observation(), env._observation())
        assert same(other.info(), env.info())
        assert np.array_equal(other._frame(), picture_of(other, other.info()))
        first = future(env)
        assert same(future(other), first)
        # And back again, in a game that has gone on.
        env.restore(json.loads(saved))
        assert same(future(env), first)


@every
def test_a_snapshot_stays_as_it_is(env_id, kwargs):
    env = make(env_id, **kwargs)
    wander(env, 4, 2)
    snapshot = env.snapshot()
    kept = copy.deepcopy(snapshot)
    future(env)
    assert snapshot == kept
    env.restore(snapshot)
    future(env)
    assert snapshot == kept


def test_a_game_that_never_began_can_be_restored():
    env = make("Points24", position_jitter=20)
    wander(env, 1, 3)
    fresh = make("Points24", position_jitter=20)
    fresh.restore(env.snapshot())
    assert same(future(fresh), future(env))


def test_an_ended_game_stays_ended():
    env, other = make("Blackjack"), make("Blackjack")
    env.reset(seed=0)
    env.step(0)
    other.restore(env.snapshot())
    assert other.info()["Dealer Card"] == env.info()["Dealer Card"]
    with pytest.raises(ResetNeeded):
        other.step(0)


def test_branches_from_one_state():
    """Every action tried from the same state, as a search does."""
    env = make("NumberLine")
    env.reset(options={"target": 3, "current": 2})
    root = env.snapshot()
    rewards = []
    for action in (0, 1, 0):
        env.restore(root)
        rewards.append(env.step(action)[1])
    assert rewards == [-1.0, 1.0, -1.0]


@pytest.mark.parametrize("suits", ["any", "red", "black"])
@pytest.mark.parametrize("decks", [1, 2])
def test_the_shoe_goes_on_alike(decks, suits):
    """Which cards are left, and in which order they lie, is part of the state."""
    env, other = (make("Blackjack", decks=decks, suits=suits, is_pixel=False) for _ in range(2))
    for seed in range(6):
        env.reset(seed=seed)
        env.step(1)
        other.restore(json.loads(json.dumps(env.snapshot())))
        cards = [[game._draw_card() for _ in range(40)] for game in (env, other)]
        assert cards[0] == cards[1]


def test_the_wrappers_count_is_not_part_of_it():
    env = gym.make("gym_cards/NumberLine-v0", max_episode_steps=2, disable_env_checker=True)
    env.reset(options={"target": 5, "current": 0})
    saved = env.unwrapped.snapshot()
    assert not env.step(1)[3]
    env.unwrapped.restore(saved)
    assert env.step(1)[3]


@every
def test_a_game_without_a_state_has_no_snapshot(env_id, kwargs):
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        make(env_id, **kwargs).snapshot()


@pytest.mark.parametrize("given", [None, "state", [], {}, {"game": "BlackjackEnv"}], ids=str)
def test_what_is_no_snapshot(given):
    env = make("Blackjack")
    env.reset(seed=0)
    before = env.snapshot()
    with pytest.raises(ValueError, match="is not a snapshot: expected what `snapshot`"):
        env.restore(given)
    assert env.snapshot() == before


def test_the_snapshot_of_another_game():
    env, other = make("EZPoints"), make("Points24")
    env.reset(seed=0)
    other.reset(seed=0)
    before = other.snapshot()
    with pytest.raises(ValueError, match="is of 'EZPointsEnv-.*expected one of 'Points24Env-"):
        other.restore(env.snapshot())
    assert other.snapshot() == before


@pytest.mark.parametrize(
    ("env_id", "kwargs", "others"),
    [
        ("gym_cards/NumberLine-v0", {"max_position": 9}, {}),
        ("gym_cards/Points24-v0", {"num_cards": 3}, {}),
        ("gym_cards/Points24-v0", {}, {"target_points": 36}),
        ("gym_cards/Blackjack-v0", {"decks": 2}, {"decks": 1}),
    ],
)
def test_the_snapshot_of_other_arguments_changes_nothing(env_id, kwargs, others):
    saved = gym.make(env_id, **kwargs).unwrapped
    saved.reset(seed=0)
    env = gym.make(env_id, **others).unwrapped
    env.reset(seed=1)
    before = env.snapshot()
    with pytest.raises(ValueError, match="with these arguments"):
        env.restore(saved.snapshot())
    assert env.snapshot() == before


@pytest.mark.parametrize(
    ("env_id", "changes"),
    [
        ("gym_cards/Points24-v0", {"actions": [99]}),
        ("gym_cards/Points24-v0", {"actions": [14] * 200}),
        ("gym_cards/Points24-v0", {"actions": 5}),
        ("gym_cards/Points24-v0", {"options": {"cards": ["XX"] * 4}}),
        ("gym_cards/Points24-v0", {"options": {"cards": ["HA", "C2", "D3"]}}),
        ("gym_cards/Points24-v0", {"options": {"cards": []}}),
        ("gym_cards/Points24-v0", {"random": {}}),
        ("gym_cards/NumberLine-v0", {"options": {"target": 99, "current": 0}}),
        ("gym_cards/BlackjackDeck-v0", {"options": {"player": ["HA"] * 3, "dealer": ["CK", "D5"]}}),
        ("gym_cards/Blackjack-v0", {"options": {"player": ["HA"] * 30, "dealer": ["CK", "D5"]}}),
    ],
)
def test_a_damaged_snapshot_changes_nothing(env_id, changes):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    before, picture = env.snapshot(), env._frame()
    damaged = {**before, **changes}
    for game in (env, env, gym.make(env_id).unwrapped):
        with pytest.raises(ValueError, match="damaged"):
            game.restore(damaged)
    assert env.snapshot() == before
    assert np.array_equal(env._frame(), picture)


@pytest.mark.parametrize("name", ["EZPoints", "Blackjack"])
def test_places_that_cannot_be_drawn_change_nothing(name):
    env = make(name, position_jitter=20)
    env.reset(seed=0)
    before, picture = env.snapshot(), env._frame()
    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            env.restore({**before, "jitter": -1})
    assert env.snapshot() == before
    assert np.array_equal(env._frame(), picture)


def test_wrong_options_leave_the_random_numbers_alone():
    env = gym.make("gym_cards/Points24-v0").unwrapped
    env.reset(seed=0)
    before = env.snapshot()
    for options in ({"cards": ["HA"]}, 5):
        with pytest.raises(ValueError, match="options"):
            env.reset(seed=7, options=options)
        assert env.snapshot() == before


def test_a_vector_goes_back_as_a_whole_or_not_at_all():
    envs = gym.make_vec("gym_cards/Points24-v0", num_envs=2)
    envs.reset(seed=0)
    before = envs.snapshot()
    other = gym.make_vec("gym_cards/Points24-v0", num_envs=2)
    other.reset(seed=5)
    damaged = other.snapshot()
    damaged["games"][1]["actions"] = [99]
    with pytest.raises(ValueError, match="damaged"):
        envs.restore(damaged)
    assert envs.snapshot() == before


def test_a_shared_buffer_shows_what_was_restored():
    envs = make_vec("EZPoints", 2, copy=False)
    shared, _ = envs.reset(seed=0)
    before, saved = shared.copy(), envs.snapshot()
    envs.step([3, 4])
    assert (shared != before).any()
    envs.restore(saved)
    assert (shared == before).all()


@pytest.mark.parametrize("name", ["EZPoints", "Points24"])
def test_moves_after_the_end_are_no_snapshot(name):
    envs = make_vec(name, 2)
    envs.reset(seed=0)
    saved = envs.snapshot()
    envs.reset(seed=5)
    before, now = envs.observations(), envs.snapshot()
    saved["games"][1]["actions"] = [10] * 300
    with pytest.raises(ValueError, match="the snapshot is damaged: .*without a running episode"):
        envs.restore(saved)
    assert envs.snapshot() == now
    assert (envs.observations() == before).all()
    envs.reset(seed=0)


def test_an_ended_episode_is_worth_nothing_more():
    envs = gym.make_vec("gym_cards/Blackjack-v0", num_envs=4)
    envs.reset(seed=0)
    ended = np.zeros(4, bool)
    while not ended.any():
        _, rewards, terminated, _, _ = envs.step([0, 0, 1, 1])
        ended = terminated
    for exact, over, reward in zip(envs.call("exact"), ended, rewards, strict=True):
        if over:
            assert exact.value == 0
            assert exact.success_probability == (reward > 0)


def test_options_that_count_as_numbers_are_kept_as_numbers():
    env = make("NumberLine")
    env.reset(seed=0, options={"target": np.array(4), "current": np.array(1)})
    saved = json.loads(json.dumps(env.snapshot()))
    assert saved["options"] == {"target": 4, "current": 1}


def test_what_was_restored_is_not_the_callers_any_more():
    env = make("Points24")
    env.reset(seed=0, options={"cards": ["H4", "C6", "SA", "DA"]})
    saved = env.snapshot()
    env.restore(saved)
    saved["options"]["cards"][0] = "HK"
    assert env.snapshot()["options"]["cards"][0] == "H4"
