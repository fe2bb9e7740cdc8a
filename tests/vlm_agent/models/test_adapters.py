"""Adapters that PEFT made elsewhere: the same model however they are loaded, saved and merged."""

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.vlm_agent.models.test_architectures import make_policy as make_architecture
from tests.vlm_agent.models.test_architectures import moments
from vlm_agent.cli.main import main
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import ModelOptions
from vlm_agent.models import gathered_policy, lora
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny

WITH_BIAS = ["q_proj", "fc1", "linear_1"]
EMBEDDINGS = ["embed_tokens", "lm_head"]
# Of each kind, what `LoraConfig` gets, and how many tensors the adapter has: two for each of the
# four q_proj, and others.
KINDS = {
    "plain": ({}, 8),
    "rsLoRA": ({"use_rslora": True}, 8),
    "DoRA": ({"use_dora": True}, 12),
    "output": ({"target_modules": ["q_proj", "lm_head"]}, 10),
    "input": ({"target_modules": ["q_proj", "embed_tokens"]}, 10),
    "both sides": ({"target_modules": ["q_proj", *EMBEDDINGS]}, 12),
    "DoRA of the output": ({"use_dora": True, "target_modules": ["q_proj", "lm_head"]}, 15),
    "whole output": ({"modules_to_save": ["lm_head"]}, 9),
    "whole input": ({"modules_to_save": ["embed_tokens"]}, 9),
    "both as a whole": ({"modules_to_save": EMBEDDINGS}, 10),
    "whole norm": ({"modules_to_save": ["language_model.norm"]}, 9),
    "every bias": ({"bias": "all", "target_modules": WITH_BIAS}, 34),
    "own biases": ({"bias": "lora_only", "target_modules": WITH_BIAS}, 19),
    "bias of LoRA": ({"lora_bias": True, "target_modules": ["fc1", "linear_1"]}, 9),
    "tokens": ({"trainable_token_indices": [5, 6, 7, 8, 9]}, 9),
    "tokens of the output": ({"trainable_token_indices": {"lm_head": [5, 6, 7, 8, 9]}}, 9),
}


@pytest.fixture(params=["tied", "untied"])
def base(request, texts, tmp_path):
    """The directory of a model whose input and output embeddings share their weights, or do not."""
    model, processor = build_tiny(texts)
    if request.param == "untied":
        model.lm_head.weight = torch.nn.Parameter(1.1 * model.lm_head.weight.detach())
        model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    settings = GenerationConfig(temperature=1.0, max_new_tokens=24)
    VLMPolicy(model, processor, settings).save(tmp_path / "base")
    return tmp_path / "base"


def trained_elsewhere(base, directory, **options):
    """Trains an adapter of a model by PEFT alone, and returns what it then computes."""
    start = VLMPolicy.load(base)
    config = peft.LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], **options})
    model = peft.get_peft_model(start.model, config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(directory)
    policy = VLMPolicy(model, start.processor, start.generation_config)
    start.generation_config.save(directory)
    return policy


def scores(policy, observations, replies):
    with torch.no_grad():
        return policy.score(observations, replies).log_probs


def tensors(directory):
    return load_file(directory / "adapter_model.safetensors")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("base", "kind"),
    [
        *(("tied", kind) for kind in KINDS),
        *(("untied", kind) for kind in ("both sides", "both as a whole", "tokens")),
    ],
    indirect=["base"],
)
def test_an_adapter_is_one_model_on_every_way(base, kind, observations, tmp_path):
    options, count = KINDS[kind]
    observations = observations[:3]
    elsewhere = trained_elsewhere(base, tmp_path / "peft", **options)
    replies = [reply.tokens for reply in elsewhere.act(observations)]
    expected = scores(elsewhere, observations, replies)
    without = scores(VLMPolicy.load(base), observations, replies)
    assert (expected - without).abs().max() > 0.05, "the adapter matters"

    def check(name, policy, *, exact=True):
        found = scores(policy, observations, replies)
        error = (found - expected).abs().max().item()
        assert error <= (0 if exact else 1e-4), (name, error)

    training = ModelOptions(lora=True)
    policy = VLMPolicy.load(tmp_path / "peft", options=training)
    check("loaded", policy)
    assert sum(p.requires_grad for p in policy.model.parameters()) >= count - (kind == "tokens")
    policy.save(tmp_path / "saved")
    gathered = gathered_policy._weights(policy, adapter_only=True)
    policy.save(tmp_path / "gathered", gathered)
    # Without the files of the base model it is saved too, from the weights.
    nameless = VLMPolicy.load(tmp_path / "peft", options=training)
    nameless.network.name_or_path = ""
    nameless.save(tmp_path / "whole", gathered_policy._weights(nameless, adapter_only=False))
    made = tensors(tmp_path / "peft")
    for way in ("saved", "gathered", "whole"):
        found = tensors(tmp_path / way)
        assert len(found) == count, way
        assert all(torch.equal(value, made[name]) for name, value in found.items()), way
        check(way, VLMPolicy.load(tmp_path / way))
    merged = VLMPolicy.load(tmp_path / "saved")
    merged.merge_adapter()
    check("merged", merged, exact=False)
    merged.save(tmp_path / "merged")
    check("merged and loaded", VLMPolicy.load(tmp_path / "merged"), exact=False)
    whole = VLMPolicy.load(tmp_path / "peft", options=ModelOptions())
    check("trained as a whole", whole, exact=False)
    elsewhere.merge_adapter()
    check("merged where it was trained", elsewhere, exact=False)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["tied"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "differs"),
    [("output", True), ("tokens of the output", True), ("plain", False), ("tokens", False)],
)
def test_shared_embeddings_would_make_another_model(
    base, kind, differs, observations, tmp_path, monkeypatch
):
    """The control: what the test above sees where embeddings stay shared."""
    torch.manual_seed(1)  # how large the difference is depends on the adapter that is drawn
    elsewhere = trained_elsewhere(base, tmp_path / "peft", **KINDS[kind][0])
    observations = observations[:2]
    replies = [reply.tokens for reply in elsewhere.act(observations)]
    expected = scores(elsewhere, observations, replies)
    monkeypatch.setattr(lora, "untie_embeddings", lambda model: None)
    policy = VLMPolicy.load(tmp_path / "peft")
    policy.merge_adapter()
    policy.save(tmp_path / "merged")
    found = scores(VLMPolicy.load(tmp_path / "merged"), observations, replies)
    assert ((found - expected).abs().max() > 0.05) == differs


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["tied"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "is_shared"), [("plain", True), ("tokens", True), ("output", False), ("input", False)]
)
def test_embeddings_stay_shared_unless_one_side_changes(base, kind, is_shared, tmp_path):
    trained_elsewhere(base, tmp_path / "peft", **KINDS[kind][0])
    network = VLMPolicy.load(tmp_path / "peft").network
    addresses = {
        weight.data_ptr()
        for name, weight in network.state_dict().items()
        if name.split(".")[-1] == "weight" and ("embed_tokens." in name or "lm_head." in name)
        if ".lora_" not in name
    }
    assert (len(addresses) == 1) == is_shared
    for config in (network.config, network.config.text_config):
        assert config.tie_word_embeddings == is_shared
    assert bool(network.all_tied_weights_keys) == is_shared


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["InternVL", "Gemma 3", "Gemma 4", "PaliGemma", "Aya Vision"])
def test_architectures_with_shared_embeddings(name, tmp_path):
    make_architecture(name).save(tmp_path / "base")
    network = VLMPolicy.load(tmp_path / "base").network
    output = network.get_output_embeddings()
    assert output.weight is network.get_input_embeddings().weight
    target = next(name for name, module in network.named_modules() if module is output)
    elsewhere = trained_elsewhere(tmp_path / "base", tmp_path / "peft", target_modules=[target])
    observations = moments(name)[:2]
    replies = [reply.tokens for reply in elsewhere.act(observations)]
    expected = scores(elsewhere, observations, replies)
    policy = VLMPolicy.load(tmp_path / "peft")
    assert torch.equal(scores(policy, observations, replies), expected)
    policy.merge_adapter()
    policy.save(tmp_path / "merged")
    found = scores(VLMPolicy.load(tmp_path / "merged"), observations, replies)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_an_adapter_of_the_output_is_trained_and_merged_on_the_command_line(
    base, observations, tmp_path
):
    trained_elsewhere(base, tmp_path / "peft", target_modules=["q_proj", "lm_head"])
    policy = VLMPolicy.load(tmp_path / "peft", options=ModelOptions(lora=True))
    replies = [reply.tokens for reply in policy.act(observations)]
    optimizer = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    before = scores(policy, observations, replies)
    policy.score(observations, replies).log_probs.sum().backward()
    optimizer.step()
    expected = scores(policy, observations, replies)
    assert (expected - before).abs().max() > 0.1
    policy.save(tmp_path / "trained")
    words = ["merge", "--model", str(tmp_path / "trained"), "--out", str(tmp_path / "merged")]
    assert main(words) == 0
    found = scores(VLMPolicy.load(tmp_path / "merged"), observations, replies)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["tied"], indirect=True)
@pytest.mark.parametrize(
    "options", [{"target_modules": ["q_proj", *EMBEDDINGS]}, {"modules_to_save": EMBEDDINGS}]
)
def test_an_adapter_that_both_sides_share_is_refused(base, tmp_path, options):
    model = VLMPolicy.load(base).model
    config = peft.LoraConfig(
        **{"r": 4, "target_modules": ["q_proj"], **options}, ensure_weight_tying=True
    )
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "peft")
    with pytest.raises(ValueError, match="ensure_weight_tying=True.*not supported"):
        VLMPolicy.load(tmp_path / "peft")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_embeddings_next_to_an_adapter_are_those_of_its_base(base, tmp_path):
    trained_elsewhere(base, tmp_path / "peft", target_modules=["q_proj", "lm_head"])
    file = tmp_path / "peft" / "adapter_model.safetensors"
    weights = load_file(file)
    extra = [name for name in weights if name.endswith("lm_head.base_layer.weight")]
    assert len(extra) == 1, "PEFT writes them"
    start = VLMPolicy.load(base).network.lm_head.weight
    rounded = weights[extra[0]].bfloat16()
    save_file({**weights, extra[0]: rounded}, file, {"format": "pt"})
    assert torch.equal(VLMPolicy.load(tmp_path / "peft").network.lm_head.weight, start)
    save_file({**weights, extra[0]: 1.01 * weights[extra[0]]}, file, {"format": "pt"})
    with pytest.raises(ValueError, match="embeddings that differ"):
        VLMPolicy.load(tmp_path / "peft")


@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_an_adapter_that_lacks_weights_is_refused(base, tmp_path):
    trained_elsewhere(base, tmp_path / "peft")
    file = tmp_path / "peft" / "adapter_model.safetensors"
    weights = load_file(file)
    del weights[next(name for name in weights if "lora_B" in name)]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ValueError, match="not complete.*lora_B"):
        VLMPolicy.load(tmp_path / "peft")


@pytest.mark.parametrize("base", ["tied"], indirect=True)
@pytest.mark.parametrize("kind", ["whole norm", "own biases"])
def test_weights_of_the_model_itself_are_not_trained_in_half_precision(base, kind, tmp_path):
    trained_elsewhere(base, tmp_path / "peft", **KINDS[kind][0])
    with pytest.raises(ValueError, match="--dtype float32"):
        VLMPolicy.load(tmp_path / "peft", options=ModelOptions(lora=True, dtype="bfloat16"))
    VLMPolicy.load(tmp_path / "peft", options=ModelOptions(dtype="bfloat16"))
    trained_elsewhere(base, tmp_path / "plain")
    VLMPolicy.load(tmp_path / "plain", options=ModelOptions(lora=True, dtype="bfloat16"))


@pytest.mark.parametrize("base", ["tied"], indirect=True)
@pytest.mark.parametrize("kind", ["own biases", "whole norm", "input"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_reference_undoes_everything_that_is_trained(base, kind, observations, tmp_path):
    """Also of an adapter whose low-rank weights are without effect so far."""
    model = VLMPolicy.load(base).model
    config = peft.LoraConfig(**{"r": 4, "target_modules": ["q_proj"], **KINDS[kind][0]})
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "peft")
    policy = VLMPolicy.load(tmp_path / "peft", options=ModelOptions(lora=True), temperature=1.0)
    observations = observations[:2]
    replies = [reply.tokens for reply in policy.act(observations)]
    before = scores(policy, observations, replies)
    policy.keep_reference()
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    assert (scores(policy, observations, replies) - before).abs().max() > 0.01
    with policy.reference():
        assert torch.equal(scores(policy, observations, replies), before)
