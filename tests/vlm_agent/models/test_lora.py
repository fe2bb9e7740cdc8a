"""Low-rank adapters, the reference policy and merging."""

import subprocess
import sys

import pytest
import torch

from vlm_agent.cli.main import main
from vlm_agent.config.model import PARTS, ModelOptions
from vlm_agent.models.policy import VLMPolicy


def disturb(policy, seed=0):
    """Changes every trained weight, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))


def scores(policy, observations, replies):
    with torch.no_grad():
        return policy.score(observations, replies)


def test_the_reference_is_what_the_policy_was(saved, observations, tmp_path):
    for name, options in (
        ("fresh adapter", ModelOptions(lora=True, lora_rank=4)),
        ("all weights", ModelOptions()),
    ):
        policy = VLMPolicy.load(saved, options=options)
        replies = [reply.tokens for reply in policy.act(observations)]
        before = scores(policy, observations, replies)
        policy.keep_reference()
        disturb(policy)
        after = scores(policy, observations, replies)
        assert not torch.allclose(after.log_probs, before.log_probs, atol=1e-3), name
        with policy.reference():
            assert torch.equal(policy.score(observations, replies).log_probs, before.log_probs)
            assert torch.equal(policy.score(observations, replies).values, before.values)
        assert torch.equal(scores(policy, observations, replies).log_probs, after.log_probs)
        assert torch.equal(scores(policy, observations, replies).values, after.values)


def test_a_trained_adapter_is_part_of_the_reference(saved, observations, tmp_path):
    options = ModelOptions(lora=True, lora_rank=4)
    policy = VLMPolicy.load(saved, options=options)
    disturb(policy)
    policy.save(tmp_path / "adapter")
    policy = VLMPolicy.load(tmp_path / "adapter", options=options)
    replies = [reply.tokens for reply in policy.act(observations)]
    policy.keep_reference()
    before = scores(policy, observations, replies).log_probs
    disturb(policy)
    with policy.reference():
        assert torch.equal(policy.score(observations, replies).log_probs, before)
    with policy.model.disable_adapter():
        bare = scores(policy, observations, replies).log_probs
    assert not torch.allclose(bare, before, atol=1e-3)


def test_without_a_reference(make_policy):
    with pytest.raises(ValueError, match="keep_reference"), make_policy().reference():
        pass


@pytest.mark.parametrize("part", PARTS)
def test_an_adapter_is_added_to_the_requested_parts(saved, observations, part):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2, lora_parts=(part,)))
    trained = [n for n, p in policy.model.named_parameters() if p.requires_grad]
    word = {"vision": "vision_tower", "projector": "multi_modal_projector", "language": "language"}
    assert trained
    assert all(word[part] in name and ".lora_" in name for name in trained)


def test_a_saved_adapter_is_the_same_policy_merged_or_not(saved, observations, tmp_path):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=4))
    disturb(policy)
    policy.save(tmp_path / "adapter")
    size = sum(path.stat().st_size for path in (tmp_path / "adapter").glob("adapter*"))
    assert size < (saved / "model.safetensors").stat().st_size
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    for each in (policy, loaded := VLMPolicy.load(tmp_path / "adapter")):
        each.seed(0)
    replies = policy.act(observations)
    assert loaded.act(observations) == replies
    tokens = [reply.tokens for reply in replies]
    expected = scores(policy, observations, tokens).log_probs
    loaded.merge_adapter()
    assert not loaded.has_adapter
    loaded.save(tmp_path / "merged")
    merged = VLMPolicy.load(tmp_path / "merged")
    assert type(merged.model) is type(merged.network)
    found = scores(merged, observations, tokens).log_probs
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 0}, "lora_rank=0"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"lora_parts": ()}, "lora_parts=.*expected at least one"),
        ({"load_in_4bit": True}, "add --lora"),
        ({"dtype": "float16"}, "bfloat16"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        ModelOptions(**options)


@pytest.mark.parametrize("lora", [False, True])
def test_gradient_checkpointing_is_exact_for_layers_with_dropout(saved, observations, lora):
    gradients = []
    rank = {"lora_rank": 2} if lora else {}
    for checkpointing in (False, True):
        options = ModelOptions(lora=lora, gradient_checkpointing=checkpointing, **rank)
        policy = VLMPolicy.load(saved, options=options)
        disturb(policy)
        calls = []
        for layer in policy.network.get_decoder().layers:
            layer.dropout = layer.self_attn.attention_dropout = 0.5  # as some layers have
            layer.mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(None))
        replies = [reply.tokens for reply in VLMPolicy.load(saved).act(observations)]
        policy.score(observations, replies).log_probs.sum().backward()
        assert len(calls) == len(policy.network.get_decoder().layers) * (1 + checkpointing)
        assert layer.dropout == 0.5
        assert not layer.training
        named = policy.named_parameters()
        gradients.append({name: p.grad for name, p in named if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_merging_on_the_command_line(saved, observations, tmp_path, capsys):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2))
    disturb(policy)
    policy.save(tmp_path / "adapter")
    words = ["merge", "--out", str(tmp_path / "merged"), "--model"]
    assert main([*words, str(tmp_path / "adapter")]) == 0
    merged = VLMPolicy.load(tmp_path / "merged")
    assert not merged.has_adapter
    replies = [reply.tokens for reply in policy.act(observations)]
    expected = scores(policy, observations, replies)
    found = scores(merged, observations, replies)
    torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.values, expected.values, atol=1e-3, rtol=1e-3)
    assert main([*words, str(tmp_path / "adapter")]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert main(["merge", "--out", str(tmp_path / "other"), "--model", str(saved)]) == 1
    assert "no adapter to merge" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def adapter(saved, seed):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2, seed=seed))
    return torch.cat([p.flatten() for p in policy.model.parameters() if p.requires_grad])


def test_a_new_adapter_comes_from_the_seed_alone(saved):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        before = torch.get_rng_state()
        first, same, other = adapter(saved, 1), adapter(saved, 1), adapter(saved, 2)
        assert torch.equal(torch.get_rng_state(), before), "no other generator moves"
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_processes_draw_the_same_adapter(saved):
    """Another process, with other global seeds and another number of threads."""
    code = (
        "import torch, sys; torch.manual_seed(9); torch.set_num_threads(2)\n"
        "from pathlib import Path\n"
        "from tests.vlm_agent.models.test_lora import adapter\n"
        "print(adapter(Path(sys.argv[1]), 7).double().abs().sum().item())"
    )
    words = [sys.executable, "-c", code, str(saved)]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert float(found) == adapter(saved, 7).double().abs().sum().item()
