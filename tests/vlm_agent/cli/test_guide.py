"""The guide's files and commands, run as they stand, but for their sizes and the model's name."""

import itertools
import re
import shlex
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from vlm_agent.cli.main import main
from vlm_agent.core.prompts import build_prompt
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.models.tiny import build_tiny

GUIDE = Path(__file__).parents[3] / "docs" / "start" / "your-model-and-environment.md"
HUB_NAME = "Qwen/Qwen2.5-VL-3B-Instruct"
SIZES = {
    "check": "--episodes 2",
    "sft": "--samples 8 --batch-size 4 --max-new-tokens 8",
    "ppo": "--total-steps 8 --num-envs 4 --rollout-steps 2 --ppo-epochs 1 --minibatch-size 4"
    " --micro-batch-size 2 --max-new-tokens 8",
    "eval": "--episodes 4",
    "show": "",
}


def blocks(language):
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the guide's files, and a local model in place of the hub's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in [*blocks("python"), *blocks("yaml")]:
        name = re.match(r"# (\S+)\n", block)
        if name:
            (tmp_path / name[1]).write_text(block.replace(HUB_NAME, "mine"), encoding="utf-8")
    demonstrator = Demonstrator("lake/Lake-v0")
    items = [item for batch in itertools.islice(demonstrator, 4) for item in batch]
    demonstrator.close()
    texts = [text for item in items for text in (build_prompt(item.observation), item.reply)]
    model, processor = build_tiny(texts)
    model.save_pretrained("mine")
    processor.save_pretrained("mine")
    yield tmp_path
    sys.modules.pop("lake", None)
    gym.registry.pop("lake/Lake-v0", None)


def test_the_commands_of_the_guide_run(folder, capsys):
    commands = [
        shlex.split(line)[1:]
        for block in blocks("")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("vlm-agent ")
    ]
    assert len(commands) >= 10
    for words in commands:
        sizes = SIZES[words[0]] + (" --group-size 2" if "gigpo" in words else "")
        assert main([*words, *shlex.split(sizes)]) == 0, (words, capsys.readouterr().err)
    for run in ("sft", "ppo", "vl-dac", "gigpo", "gtr", "history"):
        assert (folder / "runs" / "lake" / run / "adapter_model.safetensors").is_file(), run
    assert "train/imitation_loss" in read_metrics("runs/lake/gtr")[0]
    (use,) = (block for block in blocks("python") if not block.startswith("# "))
    exec(compile(use, str(GUIDE), "exec"), {})
    assert (folder / "runs" / "lake" / "merged" / "model.safetensors").is_file()


def test_the_expert_of_the_guide_wins(folder):
    assert evaluate("expert", "lake/Lake-v0", episodes=4).success_rate == 1.0
    assert evaluate("random", "lake/Lake-v0", episodes=50).success_rate < 0.3
