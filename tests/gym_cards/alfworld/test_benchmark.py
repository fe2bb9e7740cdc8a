"""The command that plays games for the docs: what was played is kept, and counted right."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[3] / "benchmarks" / "alfworld.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("household_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    module.player_env.cache_clear()
    del sys.modules[spec.name]


def test_games_that_were_played_are_not_played_again(benchmark, tmp_path, monkeypatch):
    kept = tmp_path / "games.jsonl"
    names = [benchmark.Name("train", "look_at_obj_in_light", seed) for seed in (1, 2)]
    first = benchmark.play_games(names[:1], ("privileged",), kept, 1)
    assert 0 < first[names[0]]["privileged"] <= benchmark.WORST_CASE
    # A run that is killed may leave half a line.
    with kept.open("a") as lines:
        lines.write('{"game": ["tr')
    played = []
    monkeypatch.setattr(benchmark, "play", lambda *game: played.append(game) or 7)
    with pytest.warns(UserWarning, match="cut short"):
        both = benchmark.play_games(names, ("privileged",), kept, 1)
    assert played == [(names[1], "privileged")]
    assert both == {**first, names[1]: {"privileged": 7}}
    with pytest.warns(UserWarning, match="cut short"):
        assert benchmark.play_games(names, ("privileged",), kept, 1) == both
    # Another player, and another version of the code, play all of them.
    with pytest.warns(UserWarning, match="cut short"):
        benchmark.play_games(names, ("random",), kept, 1)
    assert len(played) == 3
    monkeypatch.setattr(benchmark, "fingerprint", lambda: "changed")
    with pytest.warns(UserWarning, match="cut short"):
        benchmark.play_games(names, ("random",), kept, 1)
    assert len(played) == 5


def test_what_random_commands_led_to_is_played_on(benchmark):
    name = benchmark.Name("train", "look_at_obj_in_light", 1)
    assert benchmark.play(name, "displaced") <= benchmark.WORST_CASE
    assert benchmark.play(name, "unprivileged") >= benchmark.play(name, "privileged")


def test_success_and_lengths(benchmark):
    found = benchmark.summary([4, 8, None])
    assert (found["games"], found["won"], found["most_steps"]) == (3, 2, 50)
    assert found["mean_steps"] == pytest.approx((4 + 8 + 50) / 3)
    one, other = (benchmark.Name("train", kind, 1) for kind in benchmark.TASK_TYPES[:2])
    played = {one: {"random": None}, other: {"random": 10}}
    rows = benchmark.by_task_type(played, "random")
    assert [rows[kind]["success"] for kind in (*benchmark.TASK_TYPES[:2], "all")] == [0, 1, 0.5]
    # The interval of 0 out of 1 by Wilson's formula: up to z² / (1 + z²).
    row = "| pick_and_place_simple | 0.0% (0.0 to 79.3), 50.0 |"
    assert row in benchmark.table({"random": rows}).splitlines()


def test_a_game_that_is_not_won_in_time_fails_the_check(benchmark, tmp_path, monkeypatch):
    late = {"privileged": 3, "displaced": benchmark.WORST_CASE + 1}
    monkeypatch.setattr(benchmark, "play", lambda name, player: late[player])
    report = tmp_path / "check.json"
    words = ["--check", "2", "--task-types", "look_at_obj_in_light", "--json", str(report)]
    monkeypatch.setattr(sys, "argv", [str(PATH), *words])
    assert benchmark.main() == 1
    assert [game["seed"] for game in json.loads(report.read_text())["not_won"]] == [20_000, 20_001]
    late["displaced"] = benchmark.WORST_CASE
    assert benchmark.main() == 0
    late["privileged"] = None
    assert benchmark.main() == 1


def test_a_data_set_of_links_is_opened_as_alfworld_opens_it(benchmark):
    before = os.environ["XDG_CACHE_HOME"]
    found = benchmark.opening(9)  # raises an error if alfworld finds other games
    assert found["data_set_folders"] == 9
    assert os.environ["XDG_CACHE_HOME"] == before
    assert found["data_set_speedup"] > 0
