import dataclasses

import pytest
import torch

from tests.vlm_agent.killed import outcome, settings
from tests.vlm_agent.updates import NUMBER_LINE
from vlm_agent.ppo import resume_ppo, train_ppo
from vlm_agent.resume import Saver
from vlm_agent.runs import read_metrics
from vlm_agent.sft import SFTConfig, resume_sft, train_sft


def stop_after(monkeypatch, updates):
    """Breaks a training off right after an update, as a crash would."""
    updated = Saver.updated

    def stopped(self, step, number, **options):
        updated(self, step, number, **options)
        if number == updates:
            raise RuntimeError("a crash")

    monkeypatch.setattr(Saver, "updated", stopped)


def broken_and_resumed(monkeypatch, train, resume, options, updates):
    with monkeypatch.context() as patch:
        stop_after(patch, updates)
        with pytest.raises(RuntimeError, match="a crash"):
            train(options)
    torch.manual_seed(99)  # another process has other numbers to come
    resume(options.out)
    return outcome(options.out)


def in_directory(options, name):
    return dataclasses.replace(options, out=options.out.replace("whole", name))


@pytest.mark.parametrize(
    "changes",
    [
        {"advantages": "gigpo", "group_size": 2, "imitation_coef": 0.0, "kl_coef": 0.0},
        {"lora": True, "lora_rank": 2},
        {"dtype": "bfloat16", "kl_coef": 0.0, "imitation_coef": 0.0, "max_new_tokens": 3},
        {"record_episodes": 0, "checkpoint_every": 3, "imitation_coef": 0.0, "kl_coef": 0.0},
    ],
    ids=["groups", "adapter", "bfloat16", "every third"],
)
def test_every_way_to_train_goes_on_alike(make_policy, tmp_path, monkeypatch, changes):
    make_policy().save(tmp_path / "start")
    whole = settings(tmp_path, "whole", **changes)
    train_ppo(whole)
    other = in_directory(whole, "other")
    updates = 1 if "group_size" in changes else 3  # a group is several updates' worth of steps
    found = broken_and_resumed(monkeypatch, train_ppo, resume_ppo, other, updates)
    assert found == outcome(whole.out)


SFT = {
    "env": NUMBER_LINE,
    "samples": 16,
    "batch_size": 4,
    "micro_batch_size": 2,
    "random_share": 0.5,
    "memory": 1,
    "checkpoint_every": 2,
}


@pytest.mark.parametrize("changes", [{}, {"lora": True, "lora_dropout": 0.5, "lora_rank": 2}])
def test_fine_tuning_goes_on_alike(make_policy, tmp_path, monkeypatch, changes):
    make_policy().save(tmp_path / "start")
    model = str(tmp_path / "start") if changes else "tiny"
    whole = SFTConfig(**SFT, **changes, model=model, out=str(tmp_path / "whole"))
    torch.manual_seed(1)
    train_sft(whole)
    torch.manual_seed(1)
    other = in_directory(whole, "other")
    assert broken_and_resumed(monkeypatch, train_sft, resume_sft, other, 3) == outcome(whole.out)
    assert [row["step"] for row in read_metrics(other.out)] == [4, 8, 12, 16]
