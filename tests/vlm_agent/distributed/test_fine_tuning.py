"""Fine-tuning in two processes, launched with Accelerate as a user would."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.in_two_processes import main
from tests.support.launching import (
    check_interrupted,
    fine_tuning,
    launch,
    shown,
    weights,
)
from vlm_agent.config.sft import SFTConfig
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.training.sft import trainer


@pytest.fixture
def start(make_policy, tmp_path):
    """A folder with a tiny model and a data set of conversations of different lengths."""
    make_policy().save(tmp_path / "start")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(7):
        pixels = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        asked = [{"type": "image"}, {"type": "text", "text": "Which number?" * (1 + number % 3)}]
        said = [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": "It is " + "1+" * number + "1."},
        ]
        more = [{"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Yes."}]
        rows.append({"messages": said + more * (number % 2), "images": [f"{number}.png"]})
    # Processes get batches with pictures in different places, and without any.
    text = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]
    rows[2:2] = [{"messages": text}] * 4
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def trainings(folder):
    data = {"env": None, "random_share": 0.0, "dataset": str(folder / "data.jsonl")}
    data |= {"samples": None, "epochs": 2}
    # Without dropout, which is drawn in each process.
    lora = {"lora": True, "lora_rank": 4, "lora_dropout": 0.0}
    return {
        "expert": {
            **{"caption_samples": 6, "reasoning_samples": 6, "samples": 6},
            **{"probe_weight": 0.5, "max_grad_norm": 1e9},
        },
        # Of so many in a process, the last micro-batch is incomplete.
        "data": {**data, "batch_size": 10, "micro_batch_size": 2},
        "mixed": {"dataset": data["dataset"], "dataset_share": 0.5, "samples": 18, **lora},
    }


def check_alike(one, two, before):
    """Checks that both learned the same; the control is that each of them learned anything."""
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    moved = max((w - before.get(n, torch.zeros(()))).abs().max().item() for n, w in first.items())
    assert moved > 1e-3
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=2e-4, rtol=1e-3, msg=name)
    rows, others = shown(one), shown(two)
    assert len(rows) == len(others) >= 2
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            assert other[key] == pytest.approx(value, rel=1e-3, abs=1e-6), key


def check(folder, how, names, **changes):
    every = trainings(folder)
    asked = {name: {**every[name], **changes} for name in names}
    main([fine_tuning(folder, f"{name}-1", **each) for name, each in asked.items()])
    last = names[-1]
    steps = 12 if last == "mixed" else 10
    again = {"run": str(folder / f"{last}-2"), "copy": str(folder / "again")}
    found = launch(
        [
            *(fine_tuning(folder, f"{name}-2", **each) for name, each in asked.items()),
            {"interrupt": {**again, "checkpoint": f"step-{steps:09d}"}},
            {"command": "sft", "resume": again["copy"]},
        ],
        **how,
    )
    assert found.returncode == 0, found.stderr
    before = weights(folder / "start")
    for name in names:
        check_alike(folder / f"{name}-1", folder / f"{name}-2", before)
    # Interrupted half-way, the run resumes to a bit-identical end.
    whole, resumed = weights(folder / f"{last}-2"), weights(folder / "again")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert shown(folder / "again") == shown(folder / f"{last}-2")
    return [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_two_processes_learn_like_one(start):
    check(start, {}, ("expert", "data"))


@pytest.mark.slow
def test_two_processes_with_sharded_weights_learn_like_one(start, documented):
    shares = check(start, {"how": documented}, ("data", "mixed"))
    assert len(shares) == 2 * 3
    assert all(0.45 * each["of"] < each["kept"] < 0.55 * each["of"] for each in shares)


@pytest.mark.slow
@pytest.mark.parametrize("is_sharded", [False, True], ids=["DDP", "FSDP"])
def test_ctrl_c_ends_after_the_step_and_saves(start, documented, is_sharded):
    check_interrupted(start, documented if is_sharded else None, "sft")


def test_what_cannot_be_shared_is_an_error(monkeypatch, tmp_path):
    class Two(trainer.Processes):
        def __init__(self):
            super().__init__()
            self.count = 2

    monkeypatch.setattr(trainer, "Processes", Two)
    monkeypatch.setattr(Demonstrator, "__init__", None)
    config = SFTConfig("gym_cards/NumberLine-v0", str(tmp_path / "out"), batch_size=3)
    with pytest.raises(ValueError, match="batch_size=3 cannot be divided among 2 processes"):
        trainer.train_sft(config)
    monkeypatch.setattr(Two, "is_sharded", True, raising=False)
    monkeypatch.setattr(
        Two, "__init__", lambda self: vars(self).update(count=1, rank=0, is_sharded=True)
    )
    config = SFTConfig("gym_cards/NumberLine-v0", str(tmp_path / "out"), probe_weight=1.0)
    with pytest.raises(ValueError, match="probe_weight adds a probe.*--multi_gpu"):
        trainer.train_sft(config)
    config = SFTConfig("gym_cards/NumberLine-v0", str(tmp_path / "out"), optimizer="muon")
    with pytest.raises(ValueError, match="optimizer='muon' needs whole matrices.*--multi_gpu"):
        trainer.train_sft(config)
