from collections import Counter

import numpy as np
import pytest
import torch

from tests.support.updates import NUMBER_LINE, config, update, updated
from vlm_agent.models import policy as policy_module
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.batch import (
    StepLength,
    bounded_parts,
    micro_batches,
    padded_tokens,
    stratified_minibatches,
)
from vlm_agent.training.oom import NotEnoughMemoryError, oom_hint
from vlm_agent.training.ppo import PPO, Minibatch


def test_every_part_has_an_even_share_of_every_environment():
    strata = [env for _ in range(16) for env in range(4)]
    parts = stratified_minibatches(strata, 16, np.random.default_rng(0))
    assert sorted(row for part in parts for row in part) == list(range(64))
    for part in parts:
        assert len(part) == 16
        assert all(3 <= count <= 5 for count in Counter(strata[row] for row in part).values())
    assert parts != stratified_minibatches(strata, 16, np.random.default_rng(1))


def test_processes_deal_out_what_one_would():
    """In one process environments stand beside each other, in two behind each other."""
    one = [(env, step) for step in range(6) for env in range(4)]
    two = [(env, step) for half in ((0, 1), (2, 3)) for step in range(6) for env in half]
    found = [
        [
            {steps[row] for row in part}
            for part in stratified_minibatches(
                [env for env, _ in steps], 8, np.random.default_rng(0)
            )
        ]
        for steps in (one, two)
    ]
    assert found[0] == found[1]


def test_micro_batches_by_hand():
    lengths = [StepLength(prompt, 0) for prompt in (10, 40, 20, 30)]
    assert micro_batches(lengths, 2) == [[1, 3], [2, 0]], "alike ones together, longest first"
    # 40 is too long for any other beside it, 2 · 30 fits, and 10 is left over.
    assert micro_batches(lengths, 4, most_tokens=60) == [[1], [3, 2], [0]]
    assert micro_batches(lengths, 1, most_tokens=60) == [[1], [3], [2], [0]]
    alone = [StepLength(60, 40)]
    assert micro_batches(alone, 4, most_tokens=60) == [[0]], "what cannot be cut goes by itself"
    assert micro_batches([], 4, most_tokens=60) == micro_batches([], 4) == []
    five = [StepLength(10, 5)] * 5
    assert micro_batches(five, 4, most_tokens=60) == micro_batches(five, 4) == [[0, 1, 2], [3, 4]]


def test_prompts_and_replies_are_padded_by_themselves():
    lengths = [StepLength(30, 5), StepLength(5, 30), StepLength(20, 10)]
    assert padded_tokens(lengths) == 3 * (30 + 30)
    assert micro_batches(lengths, 3, most_tokens=2 * 35) == [[0], [1], [2]]
    assert micro_batches(lengths, 3, most_tokens=2 * 60) == [[0, 1], [2]]
    assert micro_batches(lengths, 3, most_tokens=180) == micro_batches(lengths, 3) == [[0, 1, 2]]


def test_parts_that_fit_stay_as_they_are():
    lengths = [StepLength(1, 1), StepLength(9, 9), StepLength(5, 5)]
    assert bounded_parts([[0, 1], [2]], lengths, 2, 36) == [[0, 1], [2]]
    assert bounded_parts([[0, 1], [2]], lengths, 2, 35) == [[1], [2, 0]]
    assert bounded_parts([[0, 1], [2]], lengths, 2, None) == [[0, 1], [2]]


def test_tokens_of_a_forward_pass_are_bounded_and_the_update_is_the_same(
    make_policy, tmp_path, monkeypatch
):
    sizes = []
    score_replies = policy_module.score_replies

    def counted(network, inputs, *args, **options):
        sizes.append(inputs["input_ids"].numel())
        return score_replies(network, inputs, *args, **options)

    monkeypatch.setattr(policy_module, "score_replies", counted)
    weights = []
    for bound in (None, 200):
        sizes.clear()
        policy = make_policy(max_new_tokens=16)
        policy.seed(0)
        options = {"micro_batch_size": 8, "imitation_coef": 0.5}
        updated(policy, tmp_path, micro_batch_tokens=bound, **options)
        weights.append(torch.cat([p.detach().flatten() for p in policy.parameters()]))
        assert (max(sizes) > 200) == (bound is None)
    torch.testing.assert_close(weights[0], weights[1], atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="micro_batch_tokens=0"):
        config(tmp_path, micro_batch_tokens=0)


def test_a_process_without_a_step_in_a_minibatch_changes_nothing(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=8)
    settings = config(tmp_path, env=NUMBER_LINE)
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    algorithm = PPO(policy, settings, total_steps=24)
    update(algorithm, rollout)
    batch = algorithm._batch(rollout, algorithm.advantages(rollout))
    losses, _ = algorithm._gradient(batch, Minibatch([], 8))
    assert not any(losses.values())
    gradients = [p.grad for p in policy.parameters() if p.grad is not None]
    assert gradients, "it takes part all the same"
    assert not any(gradient.any() for gradient in gradients)
    losses, _ = algorithm._gradient(batch, Minibatch([0, 1], 8))
    assert losses["value_loss"] > 0


def test_running_out_of_memory_says_what_to_lower(make_policy, tmp_path, monkeypatch):
    def score(*_, **__):
        return torch.empty(2**60)

    policy = make_policy(max_new_tokens=8)
    monkeypatch.setattr(VLMPolicy, "score", score)
    with pytest.raises(NotEnoughMemoryError, match="learning from 4 steps.*--micro-batch-tokens"):
        updated(policy, tmp_path)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), oom_hint("thinking", "think less"):
        raise RuntimeError("shapes differ")
    with pytest.raises(NotEnoughMemoryError, match="while thinking: think less"):  # noqa: SIM117
        with oom_hint("thinking", "think less"):
            raise torch.OutOfMemoryError("CUDA out of memory")
