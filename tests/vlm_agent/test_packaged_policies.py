"""Policies of the package: they are found by name, small, and play as is said of them."""

import json
from pathlib import Path

import pytest

from vlm_agent.cli.main import main
from vlm_agent.config.commands import PlayConfig
from vlm_agent.core.run_directory import PACKAGED, packaged_policies, policy_place
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.models.policy import VLMPolicy

every_policy = pytest.mark.parametrize("name", packaged_policies())


def recorded(name):
    return Evaluation.of(json.loads((PACKAGED / name / "evaluation.json").read_text()))


def test_there_are_some():
    assert packaged_policies()


@every_policy
def test_policies_are_small_and_say_how_they_were_made(name):
    files = {path.name: path.stat().st_size for path in (PACKAGED / name).iterdir()}
    assert sum(files.values()) < 4 * 2**20
    assert not {"value_head.safetensors", "metrics.jsonl"} & files.keys()
    readme = (PACKAGED / name / "README.md").read_text()
    assert f"--policy {name}" in readme
    assert f"{recorded(name).success_rate:.1%} success" in readme


@every_policy
def test_policies_play_as_is_said_of_them(name):
    said = recorded(name)
    found = evaluate(
        VLMPolicy.load(name), said.env, episodes=60, num_envs=60, env_kwargs=said.env_kwargs
    )
    low, high = found.success_interval
    assert low - 1e-9 <= said.success_rate <= high + 1e-9
    assert found.illegal_rate <= said.illegal_rate + 0.05


@pytest.mark.slow
@every_policy
def test_evaluations_are_repeated(name):
    said = recorded(name)
    if said.episodes * said.mean_length > 5000:
        pytest.skip("takes minutes")  # the README of the policy has the command
    found = evaluate(
        VLMPolicy.load(name),
        said.env,
        episodes=said.episodes,
        num_envs=32,
        env_kwargs=said.env_kwargs,
    )
    # Rounding differs between machines, so that here and there another token is sampled.
    assert found.success_rate == pytest.approx(said.success_rate, abs=0.01)


def test_a_policy_names_its_environment():
    config = PlayConfig("numberline-tiny")
    assert config.env == "gym_cards/NumberLine-v0"
    other = PlayConfig("numberline-tiny", "gym_cards/NumberLineLong-v0")
    assert other.env == "gym_cards/NumberLineLong-v0"


def test_a_local_directory_comes_first(tmp_path, monkeypatch):
    assert Path(policy_place("numberline-tiny")) == PACKAGED / "numberline-tiny"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numberline-tiny").mkdir()
    assert policy_place("numberline-tiny") == "numberline-tiny"
    assert policy_place("organisation/model") == "organisation/model"


def test_names_are_those_of_commands(capsys):
    command = ["eval", "--env", "gym_cards/NumberLine-v0", "--episodes", "4", "--policy"]
    assert main([*command, "numberline-tiny"]) == 0
    assert "numberline-tiny" in capsys.readouterr().out
    assert main([*command, "numberline-tinny"]) == 1
    assert f"a policy in the package ({', '.join(packaged_policies())})" in capsys.readouterr().err
