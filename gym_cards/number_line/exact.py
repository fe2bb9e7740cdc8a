"""Exact action values of NumberLine, in closed form."""

from __future__ import annotations

from gym_cards.core.action_values import ActionValues, check_gamma


def exact(
    target: int,
    current: int,
    *,
    max_position: int,
    steps_left: int,
    return_so_far: float = 0.0,
    gamma: float = 1.0,
) -> ActionValues:
    """Returns the values of "-" and "+", and whether the episode can still succeed.

    The rewards are those of the published rules: +1 on the target, -1 for a step that does not come
    closer to it, else 0; the ends of the line are never left. Only the last reward is positive, so
    that the best play is to walk straight to the target, `distance` steps away. This is worth
    `gamma ** (distance - 1)`, or 0 if the steps left do not suffice.

    Args:
        target: The number to reach, 0 to `max_position`.
        current: The present number, another one.
        max_position: The largest number.
        steps_left: The number of steps before the episode is truncated, at least 1.
        return_so_far: The sum of the rewards received. Only the success probability depends on it:
            after a step that did not come closer an episode cannot succeed any more.
        gamma: The discount, 0 to 1.

    Returns:
        The values of "-" and "+", in this order.

    Raises:
        ValueError: If the episode is over, or an argument is out of range.
    """
    gamma = check_gamma(gamma)
    if not (0 <= target <= max_position and 0 <= current <= max_position):
        raise ValueError(
            f"target={target}, current={current}: expected numbers from 0 to {max_position}"
        )
    if target == current or steps_left < 1:
        raise ValueError(
            f"target={target}, current={current}, steps_left={steps_left}: the episode is over; "
            "expected two different numbers and at least one step left"
        )

    def value(distance: int, steps: int) -> float:
        return gamma ** (distance - 1) if distance <= steps else 0.0

    distance = abs(target - current)
    values = []
    for neighbour in (max(current - 1, 0), min(current + 1, max_position)):
        after = abs(target - neighbour)
        if after == 0:
            values.append(1.0)
        else:
            reward = 0.0 if after < distance else -1.0
            values.append(reward + gamma * value(after, steps_left - 1))
    highest_return = return_so_far + (1 if distance <= steps_left else 0)
    return ActionValues(tuple(values), float(highest_return > 0))
