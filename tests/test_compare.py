"""The comparison of all players, cut down to a few steps: what it writes, and that it goes on."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from vlm_agent.data.trajectory_reader import read_trajectories

# By its file: beside it lies `alfworld.py`, which must not be taken for the package.
_SPEC = importlib.util.spec_from_file_location(
    "compare", Path(__file__).parents[1] / "benchmarks" / "compare.py"
)
compare = importlib.util.module_from_spec(_SPEC)
sys.modules["compare"] = compare
_SPEC.loader.exec_module(compare)

QUICK = ["--quick", "--games", "NumberLine", "--out"]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(out):
    return [part["part"] for part in lines(out / "parts.jsonl") if part["done"]]


@pytest.mark.slow
def test_a_comparison_is_written_and_goes_on_where_it_was_broken_off(tmp_path, monkeypatch, capsys):
    out = tmp_path / "compare"
    real = compare.train_ppo

    def interrupt(config):
        real(config)
        (out / "NumberLine" / "seed0" / "ppo" / "model.safetensors").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "train_ppo", interrupt)
    assert compare.main([*QUICK, str(out)]) == 130
    before = done(out)
    assert before == [
        "NumberLine/random evaluated",
        "NumberLine/expert evaluated",
        "NumberLine/seed0/cnn",
        "NumberLine/seed0/cnn evaluated",
        "NumberLine/seed0/sft",
        "NumberLine/seed0/sft evaluated",
    ]
    monkeypatch.setattr(compare, "train_ppo", None)  # it goes on from a checkpoint
    assert compare.main([*QUICK, str(out)]) == 0
    after = done(out)
    assert after == [*before, "NumberLine/seed0/ppo", "NumberLine/seed0/ppo evaluated"]

    records = lines(out / "evaluations.jsonl")
    assert [record["player"] for record in records] == list(compare.PLAYERS)
    assert records[1]["success_rate"] == 1
    assert (out / "table.md").read_text() in capsys.readouterr().out
    assert "| NumberLine, seed 0 | " in (out / "table.md").read_text()
    assert (out / "success.png").stat().st_size > 5000
    page = (out / "report" / "index.html").read_text()
    assert all(f'"{name}' in page for name in ("VLM before RL, seed 0", "VLM after RL, seed 0"))
    played = {
        frozenset(episode["seed"] for episode in read_trajectories(folder))
        for folder in out.glob("NumberLine/**/episodes/*")
    }
    assert len(played) == 1  # all players in the same episodes
    assert len(played.pop()) == 8

    # Other options mean other parts: those that follow from them are done again, and no others.
    monkeypatch.setitem(compare.QUICK["eval"], "episodes", 4)
    monkeypatch.setattr(compare.Comparison, "summarise", lambda self, games: None)
    assert compare.main([*QUICK, str(out)]) == 0
    again = done(out)[len(after) :]
    assert again == [part for part in after if part.endswith("evaluated")]


def test_the_table_has_a_row_for_each_seed():
    def record(player, seed, rate):
        return {
            "env": "gym_cards/EZPoints-v0",
            "player": player,
            "train_seed": seed,
            "success_rate": rate,
            "success_interval": [rate - 0.125, rate + 0.125],
        }

    records = [record("random", None, 0.125), record("ppo", 0, 0.5), record("ppo", 3, 0.75)]
    assert compare.table(records, ["EZPoints"]).splitlines()[2:] == [
        "| EZPoints, seed 0 | 12.5% [0.0, 25.0] | - | - | - | 50.0% [37.5, 62.5] |",
        "| EZPoints, seed 3 | 12.5% [0.0, 25.0] | - | - | - | 75.0% [62.5, 87.5] |",
    ]


def test_unknown_games_are_refused(capsys):
    with pytest.raises(SystemExit):
        compare.main(["--games", "Chess"])
    assert "invalid choice: 'Chess'" in capsys.readouterr().err
