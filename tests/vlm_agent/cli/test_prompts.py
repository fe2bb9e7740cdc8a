"""One prompt from fine-tuning to export: what a run was trained with is used wherever it plays."""

import json

import pytest

from vlm_agent.cli.main import main

NUMBER_LINE = "gym_cards/NumberLine-v0"
SYSTEM = "You see a number line."
SIZES = "--num-envs 4 --rollout-steps 2 --ppo-epochs 1 --minibatch-size 4 --micro-batch-size 4"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of `vlm-agent sft` with a template and a system message."""
    folder = tmp_path_factory.mktemp("prompts")
    (folder / "prompt.jinja").write_text("{{ task }}\nAnswer: {{ form }}")
    words = ["sft", "--env", NUMBER_LINE, "--samples", "32", "--max-new-tokens", "16"]
    words += ["--prompt", str(folder / "prompt.jinja"), "--system-prompt", SYSTEM]
    assert main([*words, "--out", str(folder / "sft")]) == 0
    (folder / "prompt.jinja").unlink()
    return folder / "sft"


def records(folder):
    lines = (folder / "episodes.jsonl").read_text().splitlines()
    return [step for line in lines for step in json.loads(line)["steps"]]


def test_the_run_and_its_policy_hold_the_prompt(trained):
    for name in ("run.json", "policy.json"):
        saved = json.loads((trained / name).read_text())
        assert saved["prompt"] == "{{ task }}\nAnswer: {{ form }}\n"
        assert saved["system_prompt"] == SYSTEM


def test_show_prints_it(trained, tmp_path, capsys):
    words = ["show", "--env", NUMBER_LINE, "--picture", str(tmp_path / "x.png")]
    assert main([*words, "--model", str(trained)]) == 0
    text = capsys.readouterr().out
    assert f"{SYSTEM}<image>You are playing" in text
    assert "Answer: {" in text
    assert "You can choose" not in text


def test_ppo_continues_with_it_and_resumes(trained, tmp_path, capsys):
    out = tmp_path / "ppo"
    words = ["ppo", "--env", NUMBER_LINE, "--model", str(trained), "--out", str(out)]
    words += [*SIZES.split(), "--total-steps", "16", "--max-new-tokens", "8"]
    assert main(words) == 0
    saved = json.loads((out / "policy.json").read_text())
    assert saved["prompt"] == "{{ task }}\nAnswer: {{ form }}\n"
    for step in records(out / "trajectories"):
        assert step["prompt"].startswith(f"[system]\n{SYSTEM}\n\n[user]\nYou are playing")
        assert "You can choose" not in step["prompt"]
    weights = (out / "model.safetensors").read_bytes()
    assert main(["ppo", "--resume", str(out / "checkpoints" / "step-000000008")]) == 0
    assert (out / "model.safetensors").read_bytes() == weights


def test_eval_records_and_export_keeps_it(trained, tmp_path, capsys):
    words = ["eval", "--env", NUMBER_LINE, "--episodes", "2", "--policy", str(trained), "expert"]
    assert main([*words, "--record", str(tmp_path / "episodes")]) == 0
    steps = records(tmp_path / "episodes")
    own = [step for step in steps if "messages" in step]
    assert {message["role"] for step in own for message in step["messages"]} == {"system", "user"}
    assert any("You can choose" in step["prompt"] for step in steps), "the expert has no model"
    words = ["export", str(tmp_path / "episodes"), "--out", str(tmp_path / "data")]
    assert main([*words, "--episodes", "all", "--illegal"]) == 0
    samples = json.loads((tmp_path / "data" / "conversations.json").read_text())
    exported = [sample["conversations"] for sample in samples]
    with_system = [each for each in exported if each[0]["from"] == "system"]
    assert len(with_system) == len([step for step in own if step["reply"]])
    assert [part["from"] for part in with_system[0]] == ["system", "human", "gpt"]
    assert with_system[0][0]["value"] == SYSTEM
    assert with_system[0][1]["value"].startswith("<image>\nYou are playing")
    assert main(["report", str(tmp_path / "episodes"), "--out", str(tmp_path / "page")]) == 0


def test_eval_may_be_given_another(trained, tmp_path, capsys):
    words = ["eval", "--env", NUMBER_LINE, "--episodes", "1", "--policy", str(trained)]
    words += ["--record", str(tmp_path), "--system-prompt", ""]
    assert main([*words, "--prompt", "default"]) == 0
    assert all("You can choose" in step["prompt"] for step in records(tmp_path))
    assert all("messages" not in step for step in records(tmp_path))
