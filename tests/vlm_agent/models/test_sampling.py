import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.models.sampling import draw, entropies, token_log_probs

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -torch.inf]])


def probabilities(**options):
    return token_log_probs(LOGITS, **{"temperature": 1.0, **options}).exp()[0]


def test_a_distribution_computed_by_hand():
    full = torch.tensor([2.0, 1.0, 0.0, -1.0]).exp()
    full = full / full.sum()  # 0.644, 0.237, 0.087, 0.032
    torch.testing.assert_close(probabilities()[:4], full)
    first_two = torch.tensor([full[0], full[1], 0, 0, 0]) / (full[0] + full[1])
    torch.testing.assert_close(probabilities(top_k=2), first_two)
    torch.testing.assert_close(probabilities(top_p=0.8), first_two)
    torch.testing.assert_close(probabilities(top_p=0.9, top_k=2), first_two)
    # top_p applies after top_k: of two tokens, the first with 0.731 is enough for 0.7.
    assert probabilities(top_k=2, top_p=0.7).tolist() == [1, 0, 0, 0, 0]
    assert probabilities(top_p=1e-9).tolist() == [1, 0, 0, 0, 0], (
        "the most likely token is always kept"
    )
    assert probabilities(top_k=99)[4] == 0, "banned tokens stay banned"
    halved = token_log_probs(LOGITS, temperature=2.0)
    torch.testing.assert_close(halved, token_log_probs(LOGITS / 2, temperature=1.0))


def test_a_written_token_that_dropped_out_is_scored_with_a_gradient():
    logits = LOGITS.clone().requires_grad_()
    written = torch.tensor([2])
    scored = token_log_probs(logits, temperature=1.0, top_k=2, written=written)
    expected = LOGITS[0, 2] - torch.logsumexp(LOGITS[0, :3], 0)
    assert scored[0, 2].item() == pytest.approx(expected.item())
    assert scored.exp().sum().item() == pytest.approx(1)
    scored[0, 2].backward()
    assert logits.grad[0, 2] > 0
    assert logits.grad[0, 3:].tolist() == [0, 0]
    # A token among the most likely changes nothing.
    inside = token_log_probs(LOGITS, temperature=1.0, top_k=2, written=torch.tensor([1]))
    assert torch.equal(inside, token_log_probs(LOGITS, temperature=1.0, top_k=2))


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=12),
    st.floats(0.05, 5),
    st.integers(0, 12),
    st.floats(0.01, 1),
    st.data(),
)
def test_probabilities_sum_to_one(values, temperature, top_k, top_p, data):
    logits = torch.tensor(values)
    written = torch.tensor(data.draw(st.integers(0, len(values) - 1)))
    log_probs = token_log_probs(
        logits, temperature=temperature, top_k=top_k, top_p=top_p, written=written
    )
    assert log_probs.exp().sum().item() == pytest.approx(1, abs=1e-4)
    assert torch.isfinite(log_probs[written])
    assert torch.isfinite(log_probs).sum() <= (top_k or len(values)) + 1


def test_drawn_tokens_have_the_distribution():
    log_probs = token_log_probs(LOGITS, temperature=1.0, top_k=3).expand(20_000, -1)
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = draw(log_probs, uniform)
    counts = torch.bincount(drawn, minlength=5)
    assert counts[3:].tolist() == [0, 0]
    expected = log_probs[0].exp()
    # Five standard deviations of a frequency among 20,000 draws.
    error = 5 * (expected * (1 - expected) / 20_000).sqrt()
    assert ((counts / 20_000 - expected).abs() <= error + 1e-9).all()
    # The limits of the random numbers: the first token, and the last possible one.
    edges = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert draw(log_probs[:2], edges).tolist() == [0, 2]


def test_the_entropy_of_a_distribution():
    log_probs = token_log_probs(LOGITS.clone().requires_grad_(), temperature=1.0, top_k=2)
    p = 1 / (1 + torch.tensor(-1.0).exp())
    expected = -(p * p.log() + (1 - p) * (1 - p).log())
    assert entropies(log_probs).item() == pytest.approx(expected.item(), abs=1e-6)
    uniform = token_log_probs(torch.zeros(3, 7), temperature=0.3)
    torch.testing.assert_close(entropies(uniform), torch.full((3,), 7.0).log())


def test_the_gradient_of_the_entropy_is_finite():
    logits = LOGITS.clone().requires_grad_()
    entropies(token_log_probs(logits, temperature=1.0, top_k=2)).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1], "a more uniform distribution has more entropy"


@pytest.mark.parametrize(
    "cut", [{"top_k": 3}, {"top_p": 0.6}, {"top_k": 20, "top_p": 0.5}], ids=str
)
def test_scoring_uses_the_filtered_distribution_of_sampling(make_policy, observations, cut):
    policy = make_policy(**cut)
    replies = policy.act(observations)
    with torch.no_grad():
        scores = policy.score(observations, [reply.tokens for reply in replies], entropy=True)
    for row, reply in enumerate(replies):
        kept = torch.tensor(reply.log_probs)
        torch.testing.assert_close(scores.log_probs[row, : len(kept)], kept, atol=1e-4, rtol=1e-4)
    assert (scores.entropies[~scores.mask] == 0).all()
    if limit := cut.get("top_k"):
        assert scores.entropies.max() <= torch.tensor(float(limit)).log() + 1e-5
    # After the weights have moved, some tokens drop out of the filter, but are still scored.
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    moved = policy.score(observations, [reply.tokens for reply in replies])
    assert torch.isfinite(moved.log_probs).all()
    assert moved.log_probs.min() < scores.log_probs.min() - 1
    moved.log_probs.sum().backward()
    assert all(
        torch.isfinite(p.grad).all() for p in policy.model.parameters() if p.grad is not None
    )


@pytest.mark.parametrize("settings", [{"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_filters_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        GenerationConfig(**settings)
