"""`ActionValues`: ties, regret, and discounts."""

import pytest

from gym_cards.blackjack import exact as blackjack_exact
from gym_cards.core.action_values import TIE_TOLERANCE, ActionValues
from gym_cards.number_line import exact as number_line_exact


def test_ties_and_regret():
    exact = ActionValues((0.5, 0.1, 0.5 - TIE_TOLERANCE / 2, -1.0), 0.75)
    assert exact.value == 0.5
    assert exact.optimal_actions == (0, 2)
    assert [exact.regret(action) for action in range(4)] == [0.0, 0.4, 0.0, 1.5]
    with pytest.raises(IndexError, match="4 is not an action: expected an index from 0 to 3"):
        exact.regret(4)


@pytest.mark.parametrize("gamma", [-0.1, 1.01, float("nan"), float("inf")])
def test_discounts_out_of_range_are_refused(gamma):
    with pytest.raises(ValueError, match="expected a discount from 0 to 1"):
        number_line_exact.exact(3, 1, max_position=5, steps_left=2, gamma=gamma)
    for decks in (None, 1):
        with pytest.raises(ValueError, match="expected a discount from 0 to 1"):
            blackjack_exact.exact([10, 6], 10, decks=decks, gamma=gamma)
