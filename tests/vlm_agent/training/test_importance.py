"""Importance weights, by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from tests.support.updates import NUMBER_LINE, config, update
from vlm_agent.core.errors import EngineError
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.importance import (
    importance_cap,
    importance_level,
    importance_metrics,
    importance_weights,
)
from vlm_agent.training.losses import ppo_loss
from vlm_agent.training.ppo import PPO

LOG2 = math.log(2)
# Two replies, of three and of two tokens; what is behind the second one must not count.
TRAINED = torch.tensor([[-1.0, -1.0, -1.0], [-1.0, -1.0, 7.0]])
SAMPLED = TRAINED - torch.tensor([[LOG2, -LOG2, 2 * LOG2], [-LOG2, -LOG2, 9.0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def test_a_token_has_the_truncated_ratio_of_its_probabilities():
    found = importance_weights(TRAINED, SAMPLED, MASK, "token", 3.0)
    assert found.weights.tolist() == [
        pytest.approx([2.0, 0.5, 3.0]),
        pytest.approx([0.5, 0.5, 0.0]),
    ]
    assert found.sums(3.0) == pytest.approx(
        {"count": 5, "weight": 6.5, "square": 13.75, "truncated": 1}
    )


def test_a_step_has_the_truncated_ratio_of_its_whole_reply():
    found = importance_weights(TRAINED, SAMPLED, MASK, "step", 3.0)
    assert found.weights.tolist() == [pytest.approx([3.0]), pytest.approx([0.25])]  # of 4, 1/4
    sums = found.sums(3.0)
    assert sums == pytest.approx({"count": 2, "weight": 3.25, "square": 9.0625, "truncated": 1})
    assert importance_metrics(sums, 3.0) == pytest.approx(
        {
            "train/importance_mean": 1.625,
            "train/importance_max": 3.0,
            "train/importance_truncated": 0.5,
            "train/importance_sample_size": 3.25**2 / (2 * 9.0625),
        }
    )


def test_equal_probabilities_change_nothing():
    found = importance_weights(TRAINED, TRAINED, MASK, "token", 1.0)
    assert torch.equal(found.weights, MASK.float())
    sums = found.sums(1.0)
    assert sums["truncated"] == 0
    assert importance_metrics(sums, 1.0)["train/importance_sample_size"] == 1


@pytest.mark.parametrize(
    ("options", "dtype", "cap"),
    [
        ({}, torch.float32, 0.0),
        ({}, torch.bfloat16, 0.0),
        ({"engine": "vllm"}, torch.float32, 0.0),
        ({"engine": "vllm"}, torch.bfloat16, 2.0),
        ({"engine": "vllm", "importance_cap": 0.0}, torch.bfloat16, 0.0),
        ({"importance_cap": 5.0}, torch.float32, 5.0),
    ],
)
def test_by_default_they_are_on_where_an_engine_rounds_otherwise(tmp_path, options, dtype, cap):
    assert importance_cap(config(tmp_path, **options), dtype) == cap


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, "step"),
        ({"algorithm": "vl-dac"}, "token"),
        ({"algorithm": "vl-dac", "importance_level": "step"}, "step"),
    ],
)
def test_their_level_is_by_default_that_of_the_objective(tmp_path, options, level):
    assert importance_level(config(tmp_path, **options)) == level


def test_a_cap_below_1_is_refused(tmp_path):
    with pytest.raises(ValueError, match="importance_cap=0.5 scales down"):
        config(tmp_path, importance_cap=0.5)


def test_weights_that_vanish_are_no_error():
    far = torch.full((1, 40), -4.0)
    found = importance_weights(far, far + 3.0, torch.ones(1, 40, dtype=torch.bool), "step", 2.0)
    assert importance_metrics(found.sums(2.0), 0.0)["train/importance_sample_size"] == 0


def test_a_ratio_of_the_whole_reply_has_no_weights_of_tokens(tmp_path):
    with pytest.raises(ValueError, match="importance_level='token' with objective='step'"):
        config(tmp_path, importance_level="token")


class Untrue:
    """An engine that reports half of the probability that it samples each token with."""

    def __init__(self, policy):
        self.policy = policy

    def write(self, observations, draws):
        return [
            each._replace(log_probs=tuple(p - LOG2 for p in each.log_probs), value=None)
            for each in self.policy.write(observations, draws)
        ]

    def writing(self):
        return self.policy.merged()


def learner(policy, tmp_path, dtype=torch.bfloat16, **options):
    policy.compute_dtype = dtype
    policy.engine = Untrue(policy)
    settings = config(tmp_path, env=NUMBER_LINE, max_new_tokens=4, **options)
    algorithm = PPO(policy, settings, total_steps=24)
    with torch.no_grad():  # a fresh value head returns 0
        policy.value_head.layers[-1].bias.fill_(0.5)
    return algorithm, algorithm.collect(Collector(NUMBER_LINE, 4))


@pytest.mark.parametrize(
    ("objective", "factor"), [("token", 2.0), ("step", 2.0**4)], ids=["token", "step"]
)
def test_they_multiply_the_objective_and_ratios_start_at_1(
    make_policy, tmp_path, objective, factor
):
    """Each weight is 2, or 2 to the number of tokens, before truncation at 64."""
    objectives = {}
    for cap in (0.0, 64.0):
        policy = make_policy(max_new_tokens=4)
        policy.encoder.end_tokens[:] = [-1]  # all replies have the full length
        algorithm, rollout = learner(policy, tmp_path, objective=objective, importance_cap=cap)
        found = update(algorithm, rollout)
        assert found["train/sampling_gap"] > LOG2 / 2
        assert found["train/first_ratio_error"] == pytest.approx(0, abs=1e-5)
        objectives[cap] = found
    assert "train/importance_mean" not in objectives[0.0]
    assert objectives[64.0]["train/importance_mean"] == pytest.approx(factor, rel=0.05)


def test_what_an_engine_does_not_compute_comes_from_the_policy(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=4)
    _, rollout = learner(policy, tmp_path)
    tokens = [reply.tokens for reply in rollout.replies]
    with torch.no_grad():
        scores = policy.score(rollout.observations, tokens)
    assert rollout.values.tolist() == pytest.approx(scores.values.tolist(), abs=2e-2)
    assert [reply.value for reply in rollout.replies] == rollout.values.tolist()
    for row, reply in enumerate(rollout.replies):
        own = scores.log_probs[row, : len(reply.tokens)].tolist()
        assert rollout.trained_log_probs[row] == pytest.approx(own, abs=0.1)
        assert reply.log_probs == pytest.approx([p - LOG2 for p in own], abs=0.1)


def test_in_float32_an_engine_that_differs_ends_the_run(make_policy, tmp_path):
    with pytest.raises(EngineError, match=r"0\.69 off that of the policy"):
        learner(make_policy(max_new_tokens=4), tmp_path, torch.float32)


@pytest.mark.parametrize(
    ("objective", "importance", "expected"),
    [
        # Means over the tokens of a reply, then over replies: advantages 3 and -1, ratios 1.
        ("token", [[2.0, 0.5, 1.0, 9.0], [0.5, 0.25, 0.0, 9.0]], (3 * 3.5 / 3 - 0.75 / 2) / 2),
        ("token", [[2.0], [0.5]], (3 * 2 - 0.5) / 2),
        ("step", [[2.0], [0.5]], (3 * 2 - 0.5) / 2),
    ],
)
def test_weights_multiply_the_objective_by_hand(objective, importance, expected):
    options = SimpleNamespace(
        objective=objective, thought_coef=1.0, clip_range=0.1, has_critic=False, kl_coef=0.0
    )
    log_probs = torch.where(MASK, -1.0, 0.0).requires_grad_()
    scores = SimpleNamespace(log_probs=log_probs, mask=MASK, entropies=None)
    batch = SimpleNamespace(
        old_log_probs=log_probs.detach(),
        mask=MASK,
        action_tokens=torch.tensor([0, 0]),
        advantages=torch.tensor([3.0, -1.0]),
        importance=torch.tensor(importance),
    )
    assert ppo_loss(scores, batch, options).total.item() == pytest.approx(-expected)
