"""Exact values of NumberLine, against value iteration."""

from functools import cache

import pytest

from gym_cards.number_line import exact as number_line_exact
from gym_cards.number_line.env import move, reward

GAMMAS = (0.0, 0.5, 0.9, 1.0)


def walk(target, current, steps, max_position, gamma):
    """Values and highest undiscounted returns of both actions, by trying every continuation."""

    @cache
    def play(position, action, left):
        after = move(position, action, max_position)
        now = reward(target, position, after)
        if after == target or left == 1:
            return now, now
        nexts = [play(after, a, left - 1) for a in (0, 1)]
        return now + gamma * max(v for v, _ in nexts), now + max(r for _, r in nexts)

    return [play(current, action, steps) for action in (0, 1)]


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("max_position", [2, 3, 6])
def test_number_line_by_value_iteration(max_position, gamma):
    places = range(max_position + 1)
    for target, current, left, so_far in (
        (t, c, n, r)
        for t in places
        for c in places
        if t != c
        for n in range(1, 2 * max_position + 3)
        for r in (-1, 0, 1)
    ):
        exact = number_line_exact.exact(
            target,
            current,
            max_position=max_position,
            steps_left=left,
            return_so_far=so_far,
            gamma=gamma,
        )
        tried = walk(target, current, left, max_position, gamma)
        assert exact.action_values == pytest.approx([value for value, _ in tried], abs=1e-12)
        assert exact.success_probability == (so_far + max(r for _, r in tried) > 0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"target": 2, "current": 2, "steps_left": 3}, "the episode is over"),
        ({"target": 2, "current": 1, "steps_left": 0}, "the episode is over"),
        ({"target": 6, "current": 1, "steps_left": 3}, "expected numbers from 0 to 5"),
    ],
)
def test_number_line_refuses_what_is_no_state(state, message):
    with pytest.raises(ValueError, match=message):
        number_line_exact.exact(**state, max_position=5)
