"""Checkpoints that are written while training goes on: whole, bounded, and not too often."""

import errno
import os
import random
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.architectures import ARCHITECTURES
from tests.support.killed import settings
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.saving import checkpoint_manager, spacing
from vlm_agent.training.saving.background import BackgroundWriter
from vlm_agent.training.saving.checkpoints import MANIFEST, find_checkpoint
from vlm_agent.training.saving.run import Run
from vlm_agent.training.saving.spacing import Spacing
from vlm_agent.training.saving.tensor_tree import size_of, snapshot

PLAIN = {
    "imitation_coef": 0.0,
    "kl_coef": 0.0,
    "entropy_coef": 0.0,
    "history_length": 0,
    "max_new_tokens": 4,
    "keep_checkpoints": 9,
}


@pytest.fixture
def start(make_policy, tmp_path):
    make_policy().save(tmp_path / "start")
    return lambda out, **changes: settings(tmp_path, out, **{**PLAIN, **changes})


def trained(options):
    # A checkpoint holds the states of all generators.
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    train_ppo(options)
    return Path(options.out, "checkpoints")


def files(folder):
    """The contents of a checkpoint's files, but for times and names of directories."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
    }


def test_a_copy_stays_as_it_is(tmp_path):
    weight = torch.ones(3)
    tree = {"a": [weight, (weight, 1)], "array": np.zeros(2), "text": "x"}
    copied = snapshot(tree)
    with torch.no_grad():
        weight.add_(1)
    tree["array"][0] = 5.0
    tree["a"].append("more")
    assert copied["a"][0].tolist() == [1.0, 1.0, 1.0]
    assert copied["array"].tolist() == [0.0, 0.0]
    assert len(copied["a"]) == 2
    assert copied["a"][0] is copied["a"][1][0], "shared weights are copied once"
    assert size_of(copied) == 3 * 4 + 2 * 8


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_copied_weights_are_saved_as_the_policys_own(name, tmp_path):
    """Shared weights and names of layers are those of `save_pretrained` by itself."""
    policy = VLMPolicy(*ARCHITECTURES[name]())
    policy.save(tmp_path / "own")
    gathered = GatheredPolicy(policy)
    weights = snapshot(gathered.weights())
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
    gathered.save(tmp_path / "copied", weights)
    own = {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()}
    assert own == {path.name: path.read_bytes() for path in (tmp_path / "copied").iterdir()}


def held_until_the_next_update(monkeypatch):
    """Keeps the first checkpoint from being written until the second update is over."""
    over = threading.Event()
    log, write = Run.log, checkpoint_manager.write_checkpoint

    def logged(self, step, metrics):
        log(self, step, metrics)
        if step == 8:
            over.set()

    def late(run, step, *args, **options):
        if step == 4:
            assert over.wait(60)
        return write(run, step, *args, **options)

    monkeypatch.setattr(Run, "log", logged)
    monkeypatch.setattr(checkpoint_manager, "write_checkpoint", late)


@pytest.mark.parametrize("changes", [{}, {"lora": True, "lora_rank": 2}], ids=["full", "adapter"])
def test_a_checkpoint_is_of_its_update_however_late_it_is_written(start, monkeypatch, changes):
    kept = {"total_steps": 8, "kl_coef": 0.1, "imitation_coef": 0.5, **changes}
    expected = trained(start("whole", **kept))
    with monkeypatch.context() as patch:
        held_until_the_next_update(patch)
        found = trained(start("late", **kept))
    for step in ("step-000000004", "step-000000008"):
        assert files(found / step) == files(expected / step)
    # Without copies it would hold later weights.
    with monkeypatch.context() as patch:
        held_until_the_next_update(patch)
        patch.setattr(
            checkpoint_manager,
            "snapshot",
            lambda tree: _detached(tree) if "model" in tree else tree,
        )
        wrong = trained(start("wrong", **kept))
    assert files(wrong / "step-000000004") != files(expected / "step-000000004")


def _detached(tree):
    if isinstance(tree, dict):
        return {name: _detached(each) for name, each in tree.items()}
    return tree.detach()


def test_one_is_written_at_a_time_and_the_end_waits_for_it(start, monkeypatch):
    write, now, most = checkpoint_manager.write_checkpoint, [], []

    def counted(*args, **options):
        now.append(args[1])
        most.append(len(now))
        assert threading.current_thread() is not threading.main_thread()
        path = write(*args, **options)
        now.remove(args[1])
        return path

    monkeypatch.setattr(checkpoint_manager, "write_checkpoint", counted)
    folder = trained(start("run"))
    assert most == [1] * 4
    assert not now
    assert sorted(path.name for path in folder.iterdir())[-1] == "step-000000016"


def test_what_training_waited_and_writing_took_is_logged(start):
    options = start("run", checkpoint_every=2)
    trained(options)
    rows = read_metrics(options.out)
    waited = [row["time/checkpoint_seconds"] for row in rows]
    written = [row["time/checkpoint_writing_seconds"] for row in rows]
    # Each row has what the update before cost: the second one had the first checkpoint.
    assert [value is None for value in waited] == [True, True, False, True]
    assert written[:2] == [None, None]
    assert written[3] > 0


def test_an_error_of_the_thread_ends_the_training(start, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    options = start("run")
    trained(options)
    newest = find_checkpoint(options.out, "ppo")
    monkeypatch.setattr(checkpoint_manager, "write_checkpoint", full)
    other = start("other")
    with pytest.raises(OSError, match="the checkpoint at step 4 cannot be written"):
        train_ppo(other)
    steps = [row["step"] for row in read_metrics(other.out)]
    assert steps in ([4], [4, 8]), "at the next update at the latest"
    assert newest.step == 16


def test_an_error_of_the_thread_is_told_beside_that_of_the_training(start, monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    def crashes(self, step, metrics):
        if step == 8:
            raise RuntimeError("a crash")
        log(self, step, metrics)

    log = Run.log
    monkeypatch.setattr(Run, "log", crashes)
    monkeypatch.setattr(checkpoint_manager, "write_checkpoint", fails)
    with pytest.raises(RuntimeError, match="a crash") as caught:
        train_ppo(start("run"))
    assert any("the checkpoint at step 4 cannot be" in note for note in caught.value.__notes__)


def test_ctrl_c_waits_for_what_is_being_written(start, monkeypatch, capsys):
    write = checkpoint_manager.write_checkpoint
    slow = threading.Event()

    def late(run, step, *args, **options):
        slow.wait(0.5)
        return write(run, step, *args, **options)

    def interrupted(self, step, metrics):
        log(self, step, metrics)
        if step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    log = Run.log
    options = start("run")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", interrupted)
        patch.setattr(checkpoint_manager, "write_checkpoint", late)
        with pytest.raises(KeyboardInterrupt):
            train_ppo(options)
    said = capsys.readouterr().err
    assert "finishing the checkpoint at step 8; Ctrl-C again leaves it out" in said
    assert find_checkpoint(options.out, "ppo").step == 8
    resume_ppo(options.out)
    assert find_checkpoint(options.out, "ppo").step == 16


def test_waiting_can_be_broken_off():
    writer, ended = BackgroundWriter(), threading.Event()
    writer.start(ended.wait, "a task")
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            writer.wait()
        assert writer.is_busy
    finally:
        timer.join()
        ended.set()
    writer.wait()
    assert writer.seconds is not None


def test_an_error_is_raised_once():
    writer = BackgroundWriter()
    writer.start(lambda: 1 / 0, "a task")
    with pytest.raises(ZeroDivisionError):
        writer.wait()
    writer.check()
    writer.start(int, "another")
    writer.wait()


class Done:
    """A writer that took so many seconds for what it wrote."""

    def __init__(self, seconds):
        self.seconds, self.is_busy = seconds, False


@pytest.mark.parametrize(
    ("size", "copying", "writing", "expected"),
    [
        (8 * 2**20, 0.1, 1.0, 200),  # as small as the embedded model's: after every update
        (84 * 2**30, 12.0, 168.0, 4),  # a model of 7B, trained in full, in 3.6 hours
        (5 * 2**30, 1.0, 10.0, 50),  # an adapter of such a model
    ],
)
def test_large_checkpoints_are_spaced_by_what_they_cost(
    monkeypatch, size, copying, writing, expected
):
    clock = [0.0]
    monkeypatch.setattr(spacing.time, "perf_counter", lambda: clock[0])
    found, written, busy_until = Spacing(), 0, 0.0
    writer = Done(None)
    for _ in range(200):
        clock[0] += 65.0  # an update
        writer.is_busy = clock[0] < busy_until
        if not found.is_over(writer):
            continue
        started = clock[0]
        clock[0] += copying
        found.began(started, size)
        writer.seconds, busy_until = writing, clock[0] + writing
        written += 1
    assert written == expected
    if size > spacing.SMALL_BYTES:
        assert written * (copying + writing) <= 0.05 * clock[0] + copying + writing


def test_by_default_small_ones_are_written_after_every_update(start, monkeypatch):
    kept = start("every")
    assert kept.checkpoint_every is None
    assert len(list(trained(kept).iterdir())) == 4
    monkeypatch.setattr(spacing, "SMALL_BYTES", 0)
    monkeypatch.setattr(spacing, "MAX_SHARE", 1e-9)
    names = sorted(path.name for path in trained(start("few")).iterdir())
    assert names == ["step-000000004", "step-000000016"], "the first and the last"
    asked = start("asked", checkpoint_every=1)
    assert len(list(trained(asked).iterdir())) == 4, "who asks for a number gets it"


def test_only_the_adapter_is_written_where_only_it_is_trained(start):
    """Weights and two moments, in float32, of the adapter and the value head alone."""
    options = start("adapter", total_steps=8, lora=True, lora_rank=2, kl_coef=0.1)
    trained(options)
    newest = find_checkpoint(options.out, "ppo").path
    policy = VLMPolicy.load(newest / "policy", options=options)
    learned = sum(p.nbytes for p in policy.parameters() if p.requires_grad)
    whole = sum(p.nbytes for p in policy.parameters())
    written = sum(len(data) for data in files(newest).values())
    others = 200_000  # names, random generators and the pictures of two environments
    assert 3 * learned < written < 3 * learned + others
    assert not list(Path(options.out).rglob("base"))
    assert written < whole
    full = start("full", total_steps=8, kl_coef=0.1)
    trained(full)
    newest = find_checkpoint(full.out, "ppo").path
    assert sum(len(data) for data in files(newest).values()) > 3 * whole - 3 * learned
    assert (newest / MANIFEST).is_file()
