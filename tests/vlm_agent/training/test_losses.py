import math
from types import SimpleNamespace

import pytest
import torch

from vlm_agent.training.losses import (
    clipped_objective,
    imitation_loss,
    kl_estimate,
    mean_over_tokens,
    ratio_of,
    reply_log_probs,
    token_weights,
)

LOG_PROBS = torch.tensor([[-1.0, -2.0, -4.0, -8.0], [-1.0, -3.0, 0.0, 0.0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False]])
# First reply: thought of two tokens, action of two. Second: all thought.
ACTION_TOKENS = torch.tensor([2, 2])


def terms_of(objective, thought_coef, log_probs=LOG_PROBS, mask=MASK, action_tokens=ACTION_TOKENS):
    options = SimpleNamespace(objective=objective, thought_coef=thought_coef)
    return reply_log_probs(log_probs, mask, action_tokens, options)


def step_log_prob(thought_coef, *tensors):
    return terms_of("step", thought_coef, *tensors)[0][:, 0]


def test_the_step_log_probability_by_hand():
    expected = [0.5 * (-1 - 2) + (-4 - 8), 0.5 * (-1 - 3)]
    assert step_log_prob(0.5).tolist() == expected
    # λ = 0 leaves the action, and all of a reply without one; λ = 1 is the plain log-probability.
    assert step_log_prob(0.0).tolist() == [-12.0, -4.0]
    assert step_log_prob(1.0).tolist() == [-15.0, -4.0]


def test_padding_has_no_weight_even_where_nothing_can_be_written():
    log_probs = torch.tensor([[-1.0, -math.inf]])
    mask = torch.tensor([[True, False]])
    assert step_log_prob(0.5, log_probs, mask, torch.tensor([0])).tolist() == [-1.0]


def test_the_clipped_objective_by_hand():
    ratio = torch.tensor([1.0, 1.5, 1.5, 0.5, 0.5])
    advantages = torch.tensor([2.0, 2.0, -2.0, 2.0, -2.0])
    # Gains stop at the clip, losses do not.
    expected = [2.0, 2.2, -3.0, 1.0, -1.8]
    assert clipped_objective(ratio, advantages, 0.1).tolist() == pytest.approx(expected)


def test_a_step_has_one_ratio():
    terms, weights = terms_of("step", 0.5)
    assert terms.tolist() == [[0.5 * (-1 - 2) + (-4 - 8)], [0.5 * (-1 - 3)]]
    assert weights.tolist() == [[1.0], [1.0]]


def test_each_token_has_its_own_ratio_by_hand():
    terms, weights = terms_of("token", 0.5)
    assert terms.tolist() == LOG_PROBS.tolist()
    assert weights.tolist() == [[0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.0, 0.0]]
    # The first reply's ratios are 2 and 1 on the thought, 1 and 1/2 on the action; the advantage is
    # 1 and the clip 0.1, so they count 1.1, 1, 1, 0.5; weighted: (0.55 + 0.5 + 1 + 0.5) / 3.
    ratio = torch.tensor([[2.0, 1.0, 1.0, 0.5], [1.0, 1.0, 7.0, 7.0]])
    surrogate = clipped_objective(ratio, torch.tensor([[1.0], [1.0]]), 0.1)
    assert mean_over_tokens(surrogate, weights).tolist() == pytest.approx([2.55 / 3, 1.0])


def test_without_the_thought_a_reply_without_action_counts_in_full():
    _, weights = terms_of("token", 0.0)
    assert weights.tolist() == [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]
    assert mean_over_tokens(LOG_PROBS, weights).tolist() == [-6.0, -2.0]


def test_a_ratio_has_a_finite_gradient_however_far_the_policy_moved():
    log_ratio = torch.tensor([1e4, -math.inf, 0.5], requires_grad=True)
    for advantage in (1.0, -1.0):
        log_ratio.grad = None
        gain = clipped_objective(ratio_of(log_ratio), torch.tensor(advantage), 0.1)
        gain.sum().backward()
        assert torch.isfinite(gain).all()
        assert torch.isfinite(log_ratio.grad).all()
    assert ratio_of(log_ratio)[2].item() == pytest.approx(math.exp(0.5))


def test_one_ratio_of_a_step_is_clipped_where_many_of_tokens_are_not():
    """Three tokens that each move by 5% move the step by 16%, out of a clip of 10%."""
    old = torch.zeros(1, 3)
    new = torch.full((1, 3), math.log(1.05))
    mask, start = torch.ones(1, 3, dtype=torch.bool), torch.tensor([0])
    for objective, expected in (("step", 1.1), ("token", 1.05)):
        before, weights = terms_of(objective, 1.0, old, mask, start)
        after, _ = terms_of(objective, 1.0, new, mask, start)
        gain = clipped_objective((after - before).exp(), torch.ones(1, 1), 0.1)
        assert mean_over_tokens(gain, weights).item() == pytest.approx(expected)


def test_the_divergence_from_a_reference_by_hand():
    log_probs = torch.tensor([0.5, 0.5, 0.25]).log()
    reference = torch.tensor([0.5, 0.25, 0.5]).log()
    # r = 1, 1/2, 2: r - 1 - log r.
    expected = [0.0, 0.5 - 1 + math.log(2), 2 - 1 - math.log(2)]
    assert kl_estimate(log_probs, reference).tolist() == pytest.approx(expected)


def test_the_estimate_of_the_divergence_is_right_on_average():
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    exact = (policy * (policy / reference).log()).sum()
    mean = (policy * kl_estimate(policy.log(), reference.log())).sum()
    assert mean.item() == pytest.approx(exact.item())


def test_only_thoughts_are_imitated_by_hand():
    # Thought tokens: -1, -2 of the first reply, -1, -3 of the second.
    assert imitation_loss(LOG_PROBS, MASK, ACTION_TOKENS).tolist() == [1.5, 2.0]
    everything = torch.tensor([0, 0])
    assert imitation_loss(LOG_PROBS, MASK, everything).tolist() == [0.0, 0.0]


def test_weights_of_tokens():
    assert token_weights(MASK, ACTION_TOKENS, 0.2).tolist() == [
        pytest.approx([0.2, 0.2, 1.0, 1.0]),
        pytest.approx([0.2, 0.2, 0.0, 0.0]),
    ]
