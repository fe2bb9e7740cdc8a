"""Whatever is played, from whatever state: no error, no observation out of its space."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from card_games import EVERY, game_of, lasting_action, make, picture_of, same
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gym_cards.blackjack.rules import total
from gym_cards.cards import DECK, Card, dyed
from gym_cards.set_game.rules import deck_of
from gym_cards.video_poker.rules import PAY_TABLES

REWARDS = {
    "NumberLineEnv": {-1.0, 0.0, 1.0},
    "EZPointsEnv": {-1.0, 0.0, 10.0},
    "Points24Env": {-1.0, 0.0, 10.0},
    "BlackjackEnv": {-1.0, 0.0, 1.0, 1.5},
    "MemoryEnv": {-1.0, 0.0, 4.0, 6.0, 9.0, 12.0},
    "SETEnv": {-1.0, 0.0, 10.0},
    "VideoPokerEnv": {float(paid - 1) for pays in PAY_TABLES.values() for paid in pays},
    "FreeCellEnv": {-0.02, 0.0, 10.0},
}
few = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
every = pytest.mark.parametrize(("env_id", "kwargs"), EVERY, ids=str)
seeds = st.integers(0, 2**32 - 1)
moves = st.lists(st.integers(0, 59), min_size=1, max_size=30)


@functools.cache
def games(env_id, items):
    """One game alone and the same game in a vector, made once for all examples."""
    kwargs = dict(items)
    return make(env_id, **kwargs), gym.make_vec(
        env_id, num_envs=1, autoreset_mode=gym.vector.AutoresetMode.DISABLED, **kwargs
    )


@st.composite
def options_for(draw, env):
    """A state of the game as reset options."""
    kind = type(env).__name__
    if kind == "NumberLineEnv":
        positions = st.integers(0, env.max_position)
        target, current = draw(st.lists(positions, min_size=2, max_size=2, unique=True))
        return {"target": target, "current": current}
    if kind == "MemoryEnv":
        pairs = draw(st.permutations(range(13)))[: env.rows * env.columns // 2]
        suits = ("H", "S") if env.match == "rank" else ("D", "D")
        dealt = [Card(suit, pair + 1).code for pair in pairs for suit in suits]
        return {"cards": draw(st.permutations(dealt))}
    if kind == "SETEnv":
        deck = [card.name for card in deck_of(env.num_features)]
        return {"cards": draw(st.permutations(deck))[: env.num_cards]}
    if kind == "VideoPokerEnv":
        cards = draw(st.lists(st.sampled_from(DECK), min_size=5, max_size=5, unique=True))
        return {"cards": [card.code for card in cards]}
    if kind == "FreeCellEnv":
        return draw(positions_of(env))
    if kind != "BlackjackEnv":
        cards = draw(
            st.lists(st.sampled_from(DECK), min_size=env.num_cards, max_size=env.num_cards)
        )
        return {"cards": [card.code for card in cards]}
    if env.decks is None:
        cards = draw(st.lists(st.sampled_from(DECK), min_size=4, max_size=9))
    else:
        cards = draw(st.permutations(list(dyed(DECK, env.suits))))[: draw(st.integers(4, 9))]
    # The player keeps as many cards as make at most 21.
    player = list(cards[2:])
    while len(player) > 2 and total(player) > 21:
        player.pop()
    assume(total(player) <= 21)
    return {
        "player": [card.code for card in player],
        "dealer": [card.code for card in cards[:2]],
    }


@st.composite
def positions_of(draw, env):
    """A deal of FreeCell, or any position of it that goes on."""
    if draw(st.booleans()):
        return {"deal": draw(st.integers(1, 10_000))}
    size = env.game_size
    home = [draw(st.integers(0, size.ranks)) for _ in range(size.suits)]
    cards = [
        Card(suit, rank).code
        for suit, highest in zip("SHCD", home, strict=False)
        for rank in range(highest + 1, size.ranks + 1)
    ]
    assume(cards)
    cells = [cards.pop(draw(st.integers(0, len(cards) - 1)))] if draw(st.booleans()) else []
    columns = [[] for _ in range(size.columns)]
    for card in draw(st.permutations(cards)):
        columns[draw(st.integers(0, size.columns - 1))].append(card)
    # A column as high as this is not to be reached by any play.
    assume(max(map(len, columns)) <= -(-size.cards // size.columns) + size.ranks - 1)
    return {"columns": [" ".join(column) for column in columns], "cells": cells}


def assert_share_is(batch, single):
    """A vector of one game hands out what the game does."""
    for key, value in single.items():
        if isinstance(value, dict):
            assert_share_is(batch[key], value)
        else:
            assert same(batch[key][0], value) or np.array_equal(batch[key][0], value), key


def assert_agree(single, batch):
    """A reset or a step of one game alone and of a vector of one game."""
    if isinstance(single[0], tuple):
        assert tuple(int(column[0]) for column in batch[0]) == single[0]
    else:
        assert np.array_equal(batch[0][0], single[0])
    assert [column[0] for column in batch[1:-1]] == list(single[1:-1])
    assert_share_is(batch[-1], single[-1])


def play(env, envs, seed, options, actions):
    """Plays in both, compares, and starts anew where an episode ends."""
    single = env.reset(seed=seed, options=options)
    assert_agree(single, envs.reset(seed=seed, options=options))
    for number in actions:
        action = number % len(env.action_names)
        assert env.action_space.contains(env.expert()[0])
        single = env.step(action)
        assert_agree(single, envs.step([action]))
        assert env.observation_space.contains(single[0])
        assert single[1] in REWARDS[type(env).__name__]
        if single[2] or single[3]:
            assert_agree(env.reset(), envs.reset())


@every
@few
@given(data=st.data(), seed=seeds, actions=moves)
def test_any_play_from_any_state(env_id, kwargs, data, seed, actions):
    env, envs = games(env_id, tuple(kwargs.items()))
    options = data.draw(st.one_of(st.none(), options_for(env)))
    play(env, envs, seed, options, actions)


@every
@few
@given(data=st.data(), seed=seeds, length=st.integers(0, 35))
def test_long_formulas_and_hands_are_drawn_as_from_nothing(env_id, kwargs, data, seed, length):
    env, _ = games(env_id, tuple(kwargs.items()))
    _, info = env.reset(seed=seed, options=data.draw(options_for(env)))
    rng = np.random.default_rng(seed)
    for _ in range(length):
        action = lasting_action(env.action_names, rng, info["action_mask"])
        observation, _, terminated, truncated, info = env.step(action)
        assert env.observation_space.contains(observation)
        assert np.array_equal(env._frame(), picture_of(env, info))
        if terminated or truncated:
            break


@given(data=st.data())
@few
def test_options_of_any_kind_give_a_state_or_a_clear_error(data):
    anything = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.lists(
            st.one_of(st.text(max_size=2), st.sampled_from([c.code for c in DECK])), max_size=5
        ),
    )
    names = st.sampled_from(
        ["cards", "player", "dealer", "target", "current", "colour", "columns", "cells", "deal"]
    )
    options = data.draw(st.dictionaries(names, anything, max_size=3))
    played = (
        "NumberLine",
        "EZPoints",
        "Points24",
        "BlackjackDeck",
        "MemorySmall",
        "SET",
        "FreeCell",
    )
    for env_id in played:
        env, _ = games(f"gym_cards/{env_id}-v0", ())
        try:
            observation, _ = env.reset(options=options)
        except ValueError as error:
            told = str(error)
        else:
            told = "" if env.observation_space.contains(observation) else "out of its space"
        assert not told or "expected" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    "env_id", ["NumberLine", "EZPoints", "Points24", "Blackjack", "Memory", "SET", "FreeCell"]
)
def test_a_hundred_thousand_steps(env_id):
    """Fifty thousand by two games alone, and the same by a vector of both."""
    full = f"gym_cards/{env_id}-v0"
    assert game_of(full) == env_id
    alone = [make(full), make(full)]
    envs = gym.make_vec(full, num_envs=2, copy=False, autoreset_mode="Disabled")
    infos = [env.reset(seed=5 + index)[1] for index, env in enumerate(alone)]
    envs.reset(seed=5)
    rng = np.random.default_rng(0)
    names = envs.action_names
    for step in range(50_000):
        actions = [lasting_action(names, rng, info["action_mask"]) for info in infos]
        observations, rewards, terminations, truncations, _ = envs.step(actions)
        for index, env in enumerate(alone):
            observation, *outcome, infos[index] = env.step(actions[index])
            assert outcome == [rewards[index], terminations[index], truncations[index]]
            assert np.array_equal(observations[index], observation)
            assert env.observation_space.contains(observation)
            if step % 50 == 0:
                assert np.array_equal(observation, picture_of(env, infos[index]))
            if outcome[1] or outcome[2]:
                infos[index] = env.reset()[1]
        over = terminations | truncations
        if over.any():
            envs.reset(options={"reset_mask": over})


def test_cards_of_every_code_can_be_set():
    env = make("Points24")
    for start in range(0, 52, 4):
        codes = [card.code for card in DECK[start : start + 4]]
        _, info = env.reset(options={"cards": codes})
        assert [Card.parse(code) for code in info["Cards"]] == list(DECK[start : start + 4])
