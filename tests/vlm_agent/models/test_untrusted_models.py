"""Loading a model neither runs its own code nor reads pickles."""

import json
import pickle
import shutil

import pytest
import torch

from tests.support.updates import NUMBER_LINE, config
from vlm_agent.cli.main import main
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.models.lora import add_adapter
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo

REFUSED = "comes with its own Python code, which was not run: add --trust-remote-code"


@pytest.fixture
def mark(tmp_path):
    """A file that hostile code would create."""
    return tmp_path / "ran"


@pytest.fixture
def model(make_policy, tmp_path, mark, monkeypatch):
    """The directory of a model with code that creates `mark` when it is run."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    # A person who is asked in a terminal might say yes by mistake.
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a person was asked"))
    directory = tmp_path / "model"
    make_policy().save(directory)
    (directory / "own.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import CLIPImageProcessor, LlavaConfig, LlavaProcessor\n"
        "from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast\n"
        "class OwnProcessor(LlavaProcessor): pass\n"
        "class OwnTokenizer(PreTrainedTokenizerFast): pass\n"
        "class OwnImages(CLIPImageProcessor): pass\n"
        "class OwnConfig(LlavaConfig): model_type = 'own'\n"
        "class OwnModel(LlavaForConditionalGeneration): config_class = OwnConfig\n"
        "def generate(model, **options): return model\n"
    )
    return directory


def change(path, **values):
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **values}))


def own_model(model):
    change(
        model / "config.json",
        model_type="own",
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForImageTextToText": "own.OwnModel"},
    )


def own_processor(model):
    change(
        model / "processor_config.json",
        processor_class="OwnProcessor",
        auto_map={"AutoProcessor": "own.OwnProcessor"},
    )


def own_images(model):
    name = {"auto_map": {"AutoImageProcessor": "own.OwnImages"}}
    saved = json.loads((model / "processor_config.json").read_text())["image_processor"]
    change(
        model / "processor_config.json",
        image_processor={**saved, **name, "image_processor_type": "OwnImages"},
    )


@pytest.mark.parametrize("bring", [own_model, own_processor, own_images])
def test_code_that_is_needed_is_an_error(model, mark, bring, capsys):
    bring(model)
    with pytest.raises(ValueError, match=REFUSED):
        VLMPolicy.load(model)
    assert main(["eval", "--policy", str(model), "--env", NUMBER_LINE, "--episodes", "1"]) == 1
    assert REFUSED in capsys.readouterr().err
    assert not mark.exists()


def test_trusted_code_runs(model, mark):
    own_model(model)
    VLMPolicy.load(model, options=LoadOptions(trust_remote_code=True))
    assert mark.exists()


def code_beside_known_classes(model):
    tokenizers = ["own.OwnTokenizer", "own.OwnTokenizer"]
    change(model / "tokenizer_config.json", auto_map={"AutoTokenizer": tokenizers})
    change(model / "processor_config.json", auto_map={"AutoProcessor": "own.OwnProcessor"})
    change(model / "config.json", auto_map={"AutoModelForImageTextToText": "own.OwnModel"})


def own_tokenizer(model):
    change(
        model / "tokenizer_config.json",
        tokenizer_class="OwnTokenizer",
        auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]},
    )


def own_generate(model):
    (model / "custom_generate").mkdir()
    shutil.copy(model / "own.py", model / "custom_generate" / "generate.py")


@pytest.mark.parametrize("bring", [code_beside_known_classes, own_tokenizer, own_generate])
def test_code_that_is_not_needed_is_ignored(model, mark, bring, observations):
    bring(model)
    VLMPolicy.load(model).act(observations[:1])
    assert not mark.exists()


class Marking:
    """Creates the mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def as_pickle(model, mark):
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Marking(mark)))


def as_archive(model, mark):
    torch.save({"weight": Marking(mark)}, model / "pytorch_model.bin")


def as_parts(model, mark):
    (model / "part.bin").write_bytes(pickle.dumps(Marking(mark)))
    parts = {"metadata": {}, "weight_map": {"lm_head.weight": "part.bin"}}
    (model / "pytorch_model.bin.index.json").write_text(json.dumps(parts))


def as_parts_of_another_name(model, mark):
    as_parts(model, mark)
    (model / "pytorch_model.bin.index.json").rename(model / "model.safetensors.index.json")


def under_another_name(model, mark):
    (model / "model.safetensors").write_bytes(pickle.dumps(Marking(mark)))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (as_pickle, "model.safetensors"),
        (as_archive, "model.safetensors"),
        (as_parts, "model.safetensors"),
        (as_parts_of_another_name, r"index\.json names part\.bin: expected safetensors only"),
        (under_another_name, "damaged"),
    ],
)
def test_pickled_weights_are_not_read(model, mark, write, message):
    (model / "model.safetensors").unlink()
    write(model, mark)
    with pytest.raises((OSError, ValueError), match=message):
        VLMPolicy.load(model)
    assert not mark.exists()


def test_a_pickled_value_head_and_a_pickled_adapter_are_not_read(model, mark, make_policy):
    policy = make_policy()
    policy.model = add_adapter(policy.model, ModelOptions(lora=True, lora_rank=1))
    policy.save(model.parent / "adapter")
    for directory, name in (
        (model, "value_head.safetensors"),
        (model.parent / "adapter", "adapter_model.safetensors"),
    ):
        (directory / name).write_bytes(pickle.dumps(Marking(mark)))
        with pytest.raises(ValueError, match="damaged"):
            VLMPolicy.load(directory)
    assert not mark.exists()


def test_a_checkpoint_is_read_without_pickles(model, tmp_path, monkeypatch):
    options = config(
        tmp_path, env=NUMBER_LINE, model=str(model), total_steps=12, ppo_epochs=1, max_new_tokens=4
    )
    train_ppo(options)
    (checkpoint,) = (tmp_path / "out" / "checkpoints").iterdir()
    endings = {path.suffix for path in checkpoint.rglob("*") if path.is_file()}
    assert endings == {".json", ".safetensors", ".jinja"}

    def refuse(*_, **__):
        raise AssertionError("a pickle was read")

    for place in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(place, refuse)
    resume_ppo(tmp_path / "out")


def test_resuming_does_not_trust_the_options_of_the_run(model, mark, tmp_path, capsys):
    """Because whoever passes on a run also writes its options."""
    own_model(model)
    options = config(
        tmp_path, env=NUMBER_LINE, model=str(model), total_steps=12, ppo_epochs=1, max_new_tokens=4
    )
    options.trust_remote_code = True
    train_ppo(options)
    mark.unlink(missing_ok=True)
    assert main(["ppo", "--resume", options.out]) == 1
    assert "add it to --resume if you still trust" in capsys.readouterr().err
    assert not mark.exists()
    assert main(["ppo", "--resume", options.out, "--trust-remote-code"]) == 0
