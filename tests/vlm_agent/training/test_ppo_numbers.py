"""What an update makes of rounding, of numbers that are not finite, and of sizes."""

import itertools

import numpy as np
import pytest
import torch

from tests.support.updates import NUMBER_LINE, config, update, updated
from vlm_agent.config.model import ModelOptions
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.batch import even_parts
from vlm_agent.training.losses import reply_log_probs
from vlm_agent.training.optimization.optimizer import NotFiniteError
from vlm_agent.training.ppo import PPO


def test_minibatches_are_of_one_size():
    """A remainder by itself would be a full optimiser step from next to nothing."""
    parts = even_parts(range(13), 4)
    assert [len(part) for part in parts] == [4, 3, 3, 3]
    assert list(itertools.chain.from_iterable(parts)) == list(range(13))
    assert [len(part) for part in even_parts(range(512), 128)] == [128] * 4


def half_precision(make_policy, tmp_path, **changes):
    """A policy that computes in bfloat16, its options, and what it played: long, cool replies."""
    make_policy().save(tmp_path / "start")
    policy = VLMPolicy.load(
        tmp_path / "start",
        options=ModelOptions(dtype="bfloat16"),
        temperature=0.2,
        max_new_tokens=64,
    )
    policy.seed(0)
    rollout = Collector(NUMBER_LINE, 5).collect(policy, 3)
    return policy, config(tmp_path, env=NUMBER_LINE, **changes), rollout


@pytest.mark.parametrize("objective", ["step", "token"])
def test_ratios_start_at_1_in_half_precision(make_policy, tmp_path, objective):
    """Also of rows that would be alone in their micro-batch: 15 steps, two by two."""
    policy, settings, rollout = half_precision(
        make_policy,
        tmp_path,
        objective=objective,
        minibatch_size=16,
        micro_batch_size=2,
        ppo_epochs=1,
    )
    assert policy.compute_dtype == torch.bfloat16
    algorithm = PPO(policy, settings, total_steps=15)
    sampled = algorithm._batch(rollout, algorithm.advantages(rollout))
    rounding = 0.0
    with torch.no_grad():
        for rows in even_parts(range(15), 2):
            part = sampled.select(rows)
            scores = algorithm._scorer.score(part)
            new, old = (
                reply_log_probs(log_probs, mask, part.action_tokens, settings)[0]
                for log_probs, mask in (
                    (scores.log_probs, scores.mask),
                    (part.old_log_probs, part.mask),
                )
            )
            apart = (new - old[:, : new.shape[1]]).exp() - 1
            rounding = max(rounding, apart.abs().max().item())
    assert rounding > 0.05, "so far apart are sampling and scoring"
    metrics = update(algorithm, rollout)
    assert metrics["train/first_ratio_error"] < rounding / 4
    assert metrics["train/sampling_gap"] > 0


def test_sampling_is_scored_again_in_half_precision_only(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=8)
    metrics, _ = updated(policy, tmp_path)
    assert metrics["train/sampling_gap"] is None


def test_the_gap_to_sampling_shows_a_wrong_prompt_in_half_precision(make_policy, tmp_path):
    gaps = []
    for wrong in (False, True):
        policy, settings, rollout = half_precision(make_policy, tmp_path / str(wrong))
        if wrong:
            rollout.observations = [
                rollout.observations[start + 4 - env] for start in (0, 5, 10) for env in range(5)
            ]
        gaps.append(update(PPO(policy, settings, total_steps=15), rollout)["train/sampling_gap"])
    assert gaps[1] > 4 * gaps[0]


def test_what_is_not_finite_leaves_the_weights_alone(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=8)
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    rollout.values[0] = np.nan  # one step of twelve, in one of two minibatches of each epoch
    changes = {"ppo_epochs": 2, "normalise_advantages": False, "gae_lambda": 0.0}
    metrics, algorithm = updated(policy, tmp_path, rollout, **changes)
    assert metrics["train/skipped_steps"] == metrics["train/optimizer_steps"] == 2
    assert np.isfinite(metrics["train/policy_loss"])
    assert all(torch.isfinite(parameter).all() for parameter in policy.parameters())
    rollout.values[:] = np.nan
    algorithm = PPO(policy, algorithm.config, total_steps=24)
    update(algorithm, rollout)
    with pytest.raises(NotFiniteError, match="policy_loss is nan"):
        update(algorithm, rollout)
    assert all(torch.isfinite(parameter).all() for parameter in policy.parameters())


def test_an_update_of_nothing_but_nan_has_no_losses_to_report(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=8)
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    rollout.values[:] = np.nan
    metrics, _ = updated(policy, tmp_path, rollout)
    assert metrics["train/skipped_steps"] == 4
    assert metrics["train/policy_loss"] is None
    assert metrics["train/gradient_norm"] is None


def test_the_size_of_rewards_does_not_decide_how_little_the_model_learns(make_policy, tmp_path):
    """Advantages are normalised, so rewards of fifty times the size say the same to the model."""
    after = []
    for scale in (1.0, 50.0):
        policy = make_policy(max_new_tokens=8)
        policy.seed(0)
        rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
        rollout.rewards *= scale
        changes = {"stop_value_gradient": True, "max_grad_norm": 0.01, "ppo_epochs": 1}
        settings = config(tmp_path, env=NUMBER_LINE, **changes)
        algorithm = PPO(policy, settings, total_steps=24)
        algorithm.optimizer = torch.optim.SGD(
            [{"params": policy.parameters(), "peak": 1e-3}], lr=1e-3
        )
        metrics = update(algorithm, rollout)
        assert metrics["train/value_gradient_norm"] > 0
        after.append(torch.cat([p.detach().ravel() for p in policy.model.parameters()]))
    torch.testing.assert_close(after[0], after[1], atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("objective", ["step", "token"])
def test_illegal_replies_are_penalised_though_thoughts_do_not_count(
    make_policy, tmp_path, objective
):
    """A policy that writes nonsense names no action at all, so nothing else could teach it."""
    policy = make_policy(max_new_tokens=8)
    rollout = Collector(NUMBER_LINE, 4, illegal_penalty=1.0).collect(policy, 3)
    assert all(reply.action_token == len(reply.tokens) for reply in rollout.replies)
    changes = {"thought_coef": 0.0, "value_coef": 0.0, "normalise_advantages": False}
    metrics, _ = updated(policy, tmp_path, rollout, objective=objective, **changes)
    assert metrics["train/gradient_norm"] > 1e-3


def test_imitation_does_not_depend_on_the_size_of_micro_batches(make_policy, tmp_path):
    found = []
    for size in (12, 3, 1):
        policy = make_policy(max_new_tokens=8)
        policy.seed(0)
        rollout = Collector("gym_cards/Points24-v0", 4, correct=True).collect(policy, 3)
        changes = {"imitation_coef": 1.0, "ppo_epochs": 1, "minibatch_size": 12}
        metrics, _ = updated(policy, tmp_path, rollout, micro_batch_size=size, **changes)
        found.append([metrics["train/imitation_loss"], metrics["train/gradient_norm"]])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[2] == pytest.approx(found[0], rel=1e-4)
