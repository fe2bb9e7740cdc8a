"""Collectors that cannot be made leave no environment open."""

import pytest

from tests.support.counted_env import CountedEnv
from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.errors import ProtocolError
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector


@pytest.fixture
def failing():
    """Fails to be made, or to be reset, at the given time."""

    class Failing(CountedEnv):
        fail_make = fail_reset = None
        made = resets = 0

        def __init__(self):
            type(self).made += 1
            if self.made == self.fail_make:
                raise RuntimeError("make failed")
            super().__init__()

        def reset(self, **options):
            type(self).resets += 1
            if self.resets == self.fail_reset:
                raise RuntimeError("reset failed")
            return super().reset(**options)

    assert CountedEnv.alive() == 0
    Collector(Failing, 1).close()  # it has been looked at
    Failing.made = Failing.resets = 0
    return Failing


def test_after_a_failed_reset(failing):
    failing.fail_reset = 4
    with pytest.raises(RuntimeError, match="reset failed"):
        Collector(failing, 5)
    assert (failing.made, failing.alive()) == (5, 0)


@pytest.mark.parametrize("make", [Collector, lambda *each: GroupCollector(*each, 2)])
def test_after_a_failed_construction(failing, make):
    failing.fail_make = 4
    with pytest.raises(RuntimeError, match="make failed"):
        make(failing, 5)
    assert (failing.made, failing.alive()) == (4, 0)


def test_after_a_missing_expert(failing):
    specs = [EnvSpec("gym_cards/NumberLine-v0"), EnvSpec(failing)]
    with pytest.raises(ProtocolError, match="imitation_coef"):
        GroupCollector(specs, 1, 2, correct=True)  # the second is made for this check alone
    assert (failing.made, failing.alive()) == (1, 0)
