"""The example of docs/training/adding-an-algorithm.md, as a user would try it."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.support.updates import NUMBER_LINE, config
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.rollout import EpisodeSegment
from vlm_agent.training.algorithms import find_algorithm
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import resume_ppo

PAGE = Path(__file__).parents[3] / "docs" / "training" / "adding-an-algorithm.md"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the file that the page shows, from which its modules are imported."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "reinforce.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "reinforce", raising=False)
    return tmp_path


def test_its_numbers_by_hand(folder):
    algorithm = find_algorithm("reinforce:Reinforce")
    options = PPOConfig("", "", "", algorithm="reinforce:Reinforce", gamma=0.5, thought_coef=0.5)
    rollout = SimpleNamespace(
        training_rewards=np.array([0.0, 4.0, 1.0]),
        segments=[EpisodeSegment(0, [0, 1]), EpisodeSegment(1, [2])],
    )
    # Returns 0 + 0.5 * 4, 4 and 1, of which the mean is 7/3.
    advantages = algorithm.advantages(rollout, options)
    assert advantages.tolist() == pytest.approx([2 - 7 / 3, 4 - 7 / 3, 1 - 7 / 3])
    scores = SimpleNamespace(
        log_probs=torch.tensor([[-2.0, -1.0], [-4.0, 0.0]]),
        mask=torch.tensor([[True, True], [True, False]]),
    )
    batch = SimpleNamespace(
        action_tokens=torch.tensor([1, 0]), advantages=torch.tensor([1.0, -1.0])
    )
    # (0.5 * -2 - 1) * 1 and -4 * -1, of which the mean is 1.
    assert algorithm.loss(scores, batch, options).total.item() == pytest.approx(-1.0)


def test_it_trains_from_the_command_line(folder, make_policy):
    make_policy(max_new_tokens=8).save(folder / "start")
    words = [
        *("--algorithm", "reinforce:Reinforce", "--env", NUMBER_LINE, "--model", "start"),
        *("--out", "run", "--total-steps", "16", "--num-envs", "4", "--rollout-steps", "2"),
        *("--minibatch-size", "4", "--micro-batch-size", "4"),
    ]
    subprocess.run(
        [sys.executable, "-m", "vlm_agent", "ppo", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(PAGE.parents[2]), "PATH": ""},
    )
    rows = read_metrics(folder / "run")
    assert [row["train/optimizer_steps"] for row in rows] == [2, 2], "one epoch, as preset"
    assert all(np.isfinite(row["train/policy_loss"]) for row in rows)
    assert "train/clip_fraction" not in rows[0]
    before = load_file(folder / "run" / "model.safetensors")
    resume_ppo(folder / "run")  # after its last update, with nothing left to learn
    after = load_file(folder / "run" / "model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_what_it_does_not_use_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="clip_range=0.2 with algorithm='reinforce:Reinforce'"):
        config(tmp_path, algorithm="reinforce:Reinforce", clip_range=0.2)


def test_an_algorithm_sets_only_what_is_up_to_it(folder):
    (folder / "greedy.py").write_text(
        "from vlm_agent.training.algorithms.ppo import PPOAlgorithm\n\n\n"
        "class Greedy(PPOAlgorithm):\n    preset = {'num_envs': 1}\n"
    )
    with pytest.raises(ValueError, match="sets or refuses num_envs"):
        PPOConfig("", "", "", algorithm="greedy:Greedy")
