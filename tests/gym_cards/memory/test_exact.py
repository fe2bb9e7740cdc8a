"""Memory's exact values against a search of everything that may be face down."""

import functools
import itertools

import numpy as np
import pytest
from card_games import make

from gym_cards.memory.exact import start_chance


def pairings(places):
    """All ways to make pairs of places."""
    if not places:
        yield frozenset()
        return
    first, *rest = places
    for index, other in enumerate(rest):
        for more in pairings(rest[:index] + rest[index + 1 :]):
            yield more | {frozenset((first, other))}


def solver(places, prize, cost, gamma):
    """Action values by the rules alone, for a player who knows which pairings are possible."""

    @functools.cache
    def values(possible, seen, turn, gone, misses):
        result = []
        for action in range(places):
            up = turn if len(turn) < 2 else ()
            found = gone
            if len(turn) == 2 and all(frozenset(turn) in pairing for pairing in possible):
                found = gone | set(turn)
            if action in turn or action in found:
                left = best(possible, seen, turn, gone, misses - 1)
                result.append(-cost + gamma * left)
                continue
            # What is seen: which of the seen cards is the partner, if any.
            groups = {}
            for pairing in possible:
                (pair,) = (pair for pair in pairing if action in pair)
                (other,) = pair - {action}
                groups.setdefault(other if other in seen else None, set()).add(pairing)
            total = 0.0
            for group in groups.values():
                after = seen | {action}
                two = (*up, action)
                reward, left = 0.0, misses
                if len(two) == 2:
                    pair = frozenset(two)
                    if all(pair in pairing for pairing in group):
                        if len(found) + 2 == places:
                            total += len(group) * prize
                            continue
                    else:
                        reward, left = -cost, misses - 1
                later = best(frozenset(group), after, two, found, left)
                total += len(group) * (reward + gamma * later)
            result.append(total / len(possible))
        return tuple(result)

    def best(possible, seen, turn, gone, misses):
        return max(values(possible, seen, turn, gone, misses)) if misses else 0.0

    return values


@pytest.mark.parametrize(
    ("columns", "misses", "gammas"),
    [
        (2, 4, (0.0, 0.5, 0.9, 1.0)),
        (3, 3, (0.9,)),
        pytest.param(3, 5, (0.0, 0.5, 0.9, 1.0), marks=pytest.mark.slow),
    ],
)
def test_values_are_those_of_a_search_of_all_layouts(columns, misses, gammas):
    places = 2 * columns
    env = make("Memory", rows=2, columns=columns, max_misses=misses, size=64)
    every = frozenset(pairings(list(range(places))))
    searches = {gamma: solver(places, float(misses), 1.0, gamma) for gamma in gammas}
    chances = solver(places, 1.0, 0.0, 1.0)
    rng = np.random.default_rng(0)
    compared = set()
    for episode in range(12):
        env.reset(seed=episode)
        possible, seen, gone = every, frozenset(), frozenset()
        while env._playing:
            state = (possible, seen, tuple(env._turn), gone, env._misses)
            compared.add(state)
            for gamma, search in searches.items():
                known = env.exact(gamma)
                assert known.action_values == pytest.approx(search(*state), abs=1e-12)
            assert known.success_probability == pytest.approx(max(chances(*state)))
            assert env.expert()[0] in known.optimal_actions
            # Mostly good moves, so that games last, and a bad one now and then.
            action = int(rng.integers(places)) if rng.random() < 0.4 else env.expert()[0]
            if env._mask[action]:
                if len(env._turn) == 2 and env._turn[0] not in env._seen:
                    gone |= set(env._turn)
                seen |= {action}
                kept = [place for place in range(places) if place in seen]
                real = {
                    frozenset((a, b))
                    for a, b in itertools.combinations(kept, 2)
                    if env._faces[a] == env._faces[b]
                }
                apart = {frozenset(two) for two in itertools.combinations(kept, 2)} - real
                possible = frozenset(
                    pairing for pairing in possible if real <= pairing and not apart & pairing
                )
            env.step(action)
    assert len(compared) > 20


def test_as_many_misses_as_pairs_are_always_enough_and_one_less_is_not():
    for pairs in range(3, 16):
        assert start_chance(pairs, pairs) == pytest.approx(1, abs=1e-12)
        assert start_chance(pairs, pairs - 1) < 1
    # By hand: with two pairs left, the first two cards match in one of three deals.
    assert start_chance(2, 1) == pytest.approx(1 / 3)
    assert start_chance(2, 2) == 1


def test_the_expert_wins_as_often_as_it_is_expected_to():
    env = make("Memory", max_misses=4, size=64)
    env.lazy_observations = True
    wins = 0
    for seed in range(300):
        env.reset(seed=seed)
        while env._playing:
            env.step(env.expert()[0])
        wins += env._return > 0
    chance = start_chance(6, 4)
    # Four standard errors.
    assert abs(wins / 300 - chance) < 4 * (chance * (1 - chance) / 300) ** 0.5


def test_after_the_end_nothing_is_worth_anything():
    env = make("MemorySmall", size=64)
    env.reset(seed=0)
    while env._playing:
        env.step(env.expert()[0])
    assert set(env.exact().action_values) == {0.0}
    assert env.exact().success_probability == 1.0


@pytest.mark.parametrize(("pairs", "misses"), [(6, 0), (-1, 3), (6, 1.5), (True, 2)])
def test_chances_of_no_game_are_refused(pairs, misses):
    with pytest.raises(ValueError, match="expected a whole number of at least 1"):
        start_chance(pairs, misses)
