"""Training in two processes, launched with Accelerate as a user would."""

import pytest
import torch
from torch import nn

from tests.support.in_two_processes import main
from tests.support.launching import launch, options, shown, weights
from vlm_agent.distributed.processes import Processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture
def start(folder, make_policy):
    if not (folder / "start").exists():
        make_policy().save(folder / "start")
    return folder


def check_alike(first, second, before):
    one, two = weights(first), weights(second)
    moved = max((one[name] - before[name]).abs().max().item() for name in one)
    assert moved > 1e-3
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=2e-4, rtol=1e-3, msg=name)
    for row, other in zip(shown(first), shown(second), strict=True):
        for key in ("step", "rollout/episodes", "rollout/illegal_rate", "rollout/reply_tokens"):
            assert row[key] == other[key], "every environment plays as in one process"
        for key in ("policy_loss", "value_loss", "imitation_loss", "gradient_norm"):
            if f"train/{key}" in row:
                expected = pytest.approx(row[f"train/{key}"], rel=1e-2, abs=1e-3)
                assert other[f"train/{key}"] == expected
        assert other["train/first_ratio_error"] < 1e-3


def test_two_processes_train_like_one(start):
    # With so few steps per minibatch, a process may have none of its own.
    corrected = {"imitation_coef": 1.0, "imitation_buffer_size": 18}
    corrected |= {"minibatch_size": 2, "micro_batch_size": 1}
    evaluated = {"eval_every": 36, "eval_episodes": 3}
    main([options(start, "one", **evaluated), options(start, "corrected-one", **corrected)])
    first, again = f"step-{12:09d}", start / "again"
    interrupted = {"run": str(start / "two"), "copy": str(again), "checkpoint": first}
    found = launch(
        [
            options(start, "two", **evaluated),
            options(start, "corrected-two", **corrected),
            {"interrupt": interrupted},
            {"resume": str(again / "checkpoints" / first)},
        ]
    )
    assert found.returncode == 0, found.stderr
    for name in ("", "corrected-"):
        check_alike(start / f"{name}one", start / f"{name}two", weights(start / "start"))
    for name in ("one", "two"):
        assert [row["eval/episodes"] for row in shown(start / name)] == [None, None, 3]
        assert (start / name / "best" / "evaluation.json").is_file()
    # Interrupted after the first of three updates, the run resumes to the same end.
    two, resumed = weights(start / "two"), weights(again)
    for name in two:
        assert torch.equal(resumed[name], two[name]), name
    assert shown(again) == shown(start / "two")
    with pytest.raises(ValueError, match="was written by 2 processes, and there are 1 now"):
        main([{"resume": str(start / "two")}])


def test_environments_that_cannot_be_divided_are_an_error(monkeypatch):
    processes = Processes()
    assert (processes.count, processes.rank, processes.is_main) == (1, 0, True)
    processes.count = 2
    assert processes.share(4, "num_envs") == 2
    with pytest.raises(ValueError, match="num_envs=3 .*2 processes: expected a multiple of 2"):
        processes.share(3, "num_envs")


def test_micro_batches_of_a_gradient(monkeypatch):
    processes, module = Processes(), nn.Linear(1, 1)
    assert list(processes.accumulate(module, "ab", "x")) == [("a", True), ("b", True)]
    assert list(processes.accumulate(module, "", "x")) == [("x", False)]
    processes.is_sharded = True
    monkeypatch.setattr(processes, "gather", lambda own: [own, 3])
    # As many passes as the process that has to make most.
    assert list(processes.accumulate(module, "a", "x")) == [("a", True), *[("x", False)] * 2]


def test_mixed_precision_is_an_error(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(ValueError, match="mixed_precision: bf16.*--dtype"):
        Processes()
