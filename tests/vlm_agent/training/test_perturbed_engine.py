"""What is learned from an engine that samples otherwise, with and without importance weights."""

from types import SimpleNamespace

import torch

from vlm_agent.training.importance import importance_weights
from vlm_agent.training.losses import ppo_loss

WORTH = torch.tensor([1.0, 0.8, 0.0])
OPTIONS = {"thought_coef": 1.0, "clip_range": 0.2, "has_critic": False, "kl_coef": 0.0}


def gradient(logits, sampled, counts, cap):
    """Gradient of PPO's objective for replies of one token each, that many of each token."""
    tokens = torch.repeat_interleave(torch.arange(3), counts)
    logits = logits.clone().requires_grad_()
    log_probs = logits.log_softmax(0)[tokens][:, None]
    mask = torch.ones_like(log_probs, dtype=torch.bool)
    old = log_probs.detach()
    options = SimpleNamespace(objective="step", **OPTIONS)
    batch = SimpleNamespace(
        old_log_probs=old,
        mask=mask,
        action_tokens=torch.zeros(len(tokens), dtype=torch.long),
        advantages=WORTH[tokens],
        importance=None,
    )
    if cap:
        mu = sampled.log()[tokens][:, None]
        batch.importance = importance_weights(old, mu, mask, "step", cap).weights
    scores = SimpleNamespace(log_probs=log_probs, mask=mask, entropies=None)
    (-ppo_loss(scores, batch, options).total).backward()
    return logits.grad


def test_weights_remove_the_bias_of_the_gradient():
    """Exactly: there is one reply of the first token, and two and three of the others."""
    counts = torch.tensor([1, 2, 3])
    mu = counts / 6
    logits = torch.tensor([0.5, 0.0, -0.5])
    pi = logits.softmax(0)
    # The gradient of Σ π(a) A(a); and what is the mean over μ of A(a) ∇ log π(a).
    true = pi * (WORTH - (pi * WORTH).sum())
    biased = mu * WORTH - pi * (mu * WORTH).sum()
    torch.testing.assert_close(gradient(logits, mu, counts, 10.0), true)
    torch.testing.assert_close(gradient(logits, mu, counts, 0.0), biased)
    assert true[0] > 0 > biased[0], "without weights the best token gets less likely"
    # A cap below the largest ratio, 3.04 of the first token, keeps a part of the bias.
    truncated = gradient(logits, mu, counts, 2.0)
    weights = torch.minimum(pi / mu, torch.tensor(2.0))
    expected = mu * weights * WORTH - pi * (mu * weights * WORTH).sum()
    torch.testing.assert_close(truncated, expected)


def learned(seed, cap, level, updates=40, replies=64):
    """Mean reward of a table of probabilities that learned from an engine with a fault.

    A reply is two tokens. If the first is 0 it is worth 0.6, whatever follows. If it is 1 it is
    worth its second token, 1 or 0, of which the policy gets 88% right from the start; but the
    engine makes half of these wrong. So by its replies the second choice is the worse one.
    """
    generator = torch.Generator().manual_seed(seed)
    first = torch.zeros(2, requires_grad=True)
    second = torch.tensor([[0.0, 0.0], [0.0, 2.0]], requires_grad=True)
    optimizer = torch.optim.Adam([first, second], lr=0.05)
    options = SimpleNamespace(objective=level, **OPTIONS)
    mask = torch.ones(replies, 2, dtype=torch.bool)

    def following(fault):
        own = second.softmax(1)
        return torch.stack([own[0], (1 - fault) * own[1] + fault * torch.tensor([1.0, 0.0])])

    def log_probs(one, two, fault=0.0):
        return torch.stack([first.log_softmax(0)[one], following(fault)[one, two].log()], dim=1)

    def draw(probabilities, count):
        return torch.multinomial(probabilities, count, replacement=True, generator=generator)

    for _ in range(updates):
        with torch.no_grad():
            one = draw(first.softmax(0), replies)
            two = draw(following(0.5)[one], 1)[:, 0]
            rewards = torch.where(one == 0, 0.6, two.float())
            old, sampled = log_probs(one, two), log_probs(one, two, 0.5)
            weights = importance_weights(old, sampled, mask, level, cap).weights if cap else None
        batch = SimpleNamespace(
            old_log_probs=old,
            mask=mask,
            action_tokens=torch.zeros(replies, dtype=torch.long),
            advantages=rewards - rewards.mean(),
            importance=weights,
        )
        for _ in range(4):
            optimizer.zero_grad()
            scores = SimpleNamespace(log_probs=log_probs(one, two), mask=mask, entropies=None)
            ppo_loss(scores, batch, options).total.backward()
            optimizer.step()
    one, two = first.softmax(0).tolist(), second.softmax(1).tolist()
    return one[0] * 0.6 + one[1] * two[1][1]


def test_from_an_engine_with_a_fault_only_weights_of_steps_learn_what_is_best():
    """The usual cap, 2, truncates nothing here: the engine halves a probability at most."""
    seeds = range(3)
    assert min(learned(seed, 2.0, "step") for seed in seeds) > 0.95
    without = [learned(seed, 0.0, "step") for seed in seeds]
    assert sum(without) / len(without) < 0.8
    # A token's weight corrects for the token, not for what the engine made of the rest.
    assert max(learned(seed, 2.0, "token") for seed in seeds) < 0.7
