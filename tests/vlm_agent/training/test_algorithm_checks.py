"""What an algorithm of a user returns is checked, and errors name it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.support.updates import updated
from vlm_agent.training.algorithms.ppo import PPOAlgorithm
from vlm_agent.training.losses import Losses

ONE = torch.tensor(1.0)
ADVANTAGES = {
    "returned None: expected an array of 12 numbers": None,
    r"returned \[0.0, 0.0.*: expected an array of 12 numbers": [0.0] * 12,
    r"returned an array of shape \(12, 1\): expected": np.zeros((12, 1)),
    r"returned an array of shape \(11,\): expected": np.zeros(11),
    "returned array.*: expected an array of 12 numbers": np.array(["a"] * 12),
}
LOSSES = {
    r"returned tensor\(1.\).*: expected Losses\(total, parts\)": ONE,
    "returned None: expected Losses": None,
    "total of loss.. is 1.0.*: expected a tensor": Losses(1.0, {}),
    r"parts\['a'\] of loss.. is 0.5.*: expected a tensor": Losses(ONE, {"a": 0.5}),
    r"total of loss.. has the shape \(1,\): expected a single": Losses(ONE[None], {}),
    r"parts\['a'\] of loss.. has the shape \(3,\)": Losses(ONE, {"a": torch.ones(3)}),
    "ratio_error of loss.. is 0.0": Losses(ONE, {}, 0.0),
}


@pytest.fixture
def own(monkeypatch):
    """An algorithm whose methods return what they are told to."""
    told = SimpleNamespace()

    class Own(PPOAlgorithm):
        def advantages(self, rollout, config):
            found = super().advantages(rollout, config)
            return getattr(told, "advantages", found)

        def loss(self, scores, batch, config, *, value_only=False):
            found = super().loss(scores, batch, config, value_only=value_only)
            return getattr(told, "losses", found)

    monkeypatch.setattr("vlm_agent.training.ppo.find_algorithm", lambda _: Own())
    return told


def test_one_that_returns_what_it_should(own, make_policy, tmp_path):
    metrics, _ = updated(make_policy(max_new_tokens=4), tmp_path)
    assert metrics["train/optimizer_steps"] > 0


@pytest.mark.parametrize("message", ADVANTAGES)
def test_advantages(own, message, make_policy, tmp_path):
    own.advantages = ADVANTAGES[message]
    with pytest.raises((TypeError, ValueError), match=rf"^ppo: advantages\(\) {message}"):
        updated(make_policy(max_new_tokens=4), tmp_path)


@pytest.mark.parametrize("message", LOSSES)
def test_losses(own, message, make_policy, tmp_path):
    own.losses = LOSSES[message]
    with pytest.raises((TypeError, ValueError), match=f"^ppo: .*{message}"):
        updated(make_policy(max_new_tokens=4), tmp_path)
