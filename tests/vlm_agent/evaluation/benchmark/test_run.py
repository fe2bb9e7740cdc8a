"""Runs: resumable, independent of how many episodes are played side by side, and checked."""

import json
from dataclasses import replace

import pytest

from vlm_agent.core.parsing import read_reply
from vlm_agent.core.prompts import build_reply
from vlm_agent.evaluation.benchmark import (
    ChangedEnvironmentError,
    Player,
    problems_of,
    read_record,
    replay,
    run_benchmark,
)
from vlm_agent.evaluation.benchmark.player_files import trained_environments, weights_hash
from vlm_agent.evaluation.players import LazyPolicy


class Sampler:
    """Replies that depend on the episode's random numbers, some of them illegal."""

    def __init__(self, fails_after=None):
        self.replies, self.fails_after = 0, fails_after

    def act(self, observations, draws):
        if self.replies == self.fails_after:
            raise ConnectionError("down")
        self.replies += 1
        replies = []
        for observation, rng in zip(observations, draws, strict=True):
            action = int(rng.integers(len(observation.actions)))
            text = build_reply(observation, action, f"so {rng.integers(9)}")
            text = text if rng.random() < 0.8 else "nothing"
            replies.append(read_reply(text, observation.actions))
        return replies


def player(policy="random", name="me", **fields):
    return Player(name, policy, "me", **fields)


def play(mini, path, policy="random", tasks=None, num_envs=3, **options):
    chosen = mini.choose(tasks=tasks or ())
    return run_benchmark(player(policy), mini, chosen, path, num_envs=num_envs, **options)


def without_times(record):
    text = json.dumps(record)
    record = json.loads(text)
    record.pop("made")
    for result in record["tasks"].values():
        result.pop("seconds_per_step")
    return record


def test_a_record_is_complete_and_belongs_into_the_leaderboard(mini, tmp_path):
    record = play(mini, tmp_path / "me.json", Sampler())
    assert record == read_record(tmp_path / "me.json")
    assert problems_of(record) == []
    assert list(record["tasks"]) == [task.name for task in mini.tasks]
    assert 0.6 < record["tasks"]["NumberLineLong"]["perception"] < 1
    assert 0.05 < record["tasks"]["NumberLineLong"]["illegal_rate"] < 0.4
    assert record["versions"].keys() >= {"python", "gym-cards", "numpy"}
    assert list(tmp_path.iterdir()) == [tmp_path / "me.json"]


def test_results_do_not_depend_on_how_many_play_side_by_side(mini, tmp_path):
    records = [play(mini, tmp_path / f"{n}.json", Sampler(), num_envs=n) for n in (1, 4)]
    assert without_times(records[0]) == without_times(records[1])


def test_an_interrupted_run_continues(mini, tmp_path):
    whole = Sampler()
    expected = play(mini, tmp_path / "whole.json", whole)
    path = tmp_path / "me.json"
    broken = Sampler(fails_after=whole.replies // 2)
    with pytest.raises(ConnectionError):
        play(mini, path, broken)
    done = list(read_record(path)["tasks"])
    assert 0 < len(done) < len(mini.tasks)
    rest = Sampler()
    assert without_times(play(mini, path, rest)) == without_times(expected)
    assert broken.replies + rest.replies == whole.replies


def test_tasks_may_be_added_and_known_ones_need_no_policy(mini, tmp_path):
    path = tmp_path / "me.json"
    first = play(mini, path, tasks=["BlackjackDeck"])
    assert first["summary"]["in_distribution"] == {
        "tasks": 0, "of": 2, "success": None, "success_interval": None, "normalised": None,
        "normalised_interval": None,
    }  # fmt: skip
    whole = play(mini, path)
    assert whole["tasks"]["BlackjackDeck"] == first["tasks"]["BlackjackDeck"]

    def load():
        raise AssertionError("loaded for nothing")

    assert play(mini, path, LazyPolicy(load)) == whole
    described = player(LazyPolicy(load), about="by hand")
    assert run_benchmark(described, mini, mini.tasks, path)["about"] == "by hand"
    assert read_record(path) == {**whole, "about": "by hand"}


def test_another_player_set_or_length_is_refused(mini, tmp_path):
    path = tmp_path / "me.json"
    play(mini, path, tasks=["Blackjack"])
    before = path.read_text()
    with pytest.raises(ValueError, match="its player is .*dtype"):
        play(mini, path, LazyPolicy(Sampler, {"dtype": "float32"}))
    with pytest.raises(ValueError, match="its quick is false, not true"):
        play(mini, path, quick=True)
    with pytest.raises(ValueError, match="its set_checksum is"):
        play(replace(mini, seed=1), path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="not a benchmark's record"):
        play(mini, tmp_path / "other.json")
    assert path.read_text() == before


def test_a_changed_environment_is_noticed_before_anything_is_played(mini, tmp_path):
    changed = replace(mini.tasks[3], checksum="0" * 16)
    altered = replace(mini, tasks=(*mini.tasks[:3], changed))
    policy = Sampler()
    with pytest.raises(ChangedEnvironmentError, match="NumberLineDrawn: .*expected 0000"):
        play(altered, tmp_path / "me.json", policy)
    assert policy.replies == 0


def test_quick_runs_are_marked(mini, tmp_path):
    record = play(mini, tmp_path / "me.json", quick=True)
    assert {len(result["outcomes"]) for result in record["tasks"].values()} == {3, 4}
    assert "it is of a quick run, with 4 episodes of each task" in problems_of(record)


def test_replaying_finds_what_was_made_up(mini, tmp_path):
    record = play(mini, tmp_path / "me.json", Sampler())

    def differing(record, tasks, episodes=3):
        found = replay(record, Sampler(), tasks, mini.seed, episodes=episodes, num_envs=2)
        return {task.name: (count, wrong) for task, count, wrong in found}

    assert differing(record, mini.tasks) == {task.name: (3, []) for task in mini.tasks}
    result = record["tasks"]["NumberLine"]
    flipped = "".join("01"[one == "0"] for one in result["outcomes"])
    result["outcomes"] = result["outcomes"][:1] + flipped[1:2] + result["outcomes"][2:]
    assert differing(record, mini.tasks[:1]) == {"NumberLine": (3, [1])}
    assert differing(record, mini.tasks[:1], 100) == {"NumberLine": (6, [1])}


def test_what_a_player_was_trained_on_is_not_new_to_it(mini, tmp_path):
    trained = [{"env": "gym_cards/NumberLineLong-v0", "env_kwargs": {}}]
    one = player(trained_on=trained)
    record = run_benchmark(one, mini, mini.tasks, tmp_path / "me.json")
    seen = [name for name, result in record["tasks"].items() if result["seen"]]
    assert seen == ["NumberLineLong"]
    assert record["summary"]["out_of_distribution"]["tasks"] == 2
    assert record["summary"]["out_of_distribution"]["success"] is None
    assert record["summary"]["in_distribution"]["success"] is not None
    assert problems_of(record) == []
    record["player"]["trained_on"] = []
    assert problems_of(record) == [
        "NumberLineLong: `seen` disagrees with what the player was trained on"
    ]


def test_files_tell_the_weights_and_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start, run = tmp_path / "sft", tmp_path / "ppo"
    for folder, options in (
        (start, {"env": ["gym_cards/Points24Train-v0", "gym_cards/SET-v0"], "env_kwargs": {}}),
        (
            run,
            {"env": "gym_cards/Points24-v0", "env_kwargs": {"suits": "red"}, "model": str(start)},
        ),
    ):
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(options))
    assert trained_environments(str(run)) == [
        {"env": "gym_cards/Points24-v0", "env_kwargs": {"suits": "red"}},
        {"env": "gym_cards/Points24Train-v0", "env_kwargs": {}},
        {"env": "gym_cards/SET-v0", "env_kwargs": {}},
    ]
    assert trained_environments("random") == []
    assert trained_environments("someone/model") is None
    for place in (run / "best", run / "checkpoints" / "step-512" / "policy"):
        place.mkdir(parents=True)
        assert trained_environments(str(place)) == trained_environments(str(run))
    packaged = {"env": "gym_cards/EZPoints-v0", "env_kwargs": {}, "model": "numberline-tiny"}
    (tmp_path / "on").mkdir()
    (tmp_path / "on" / "run.json").write_text(json.dumps(packaged))
    assert [each["env"] for each in trained_environments(str(tmp_path / "on"))] == [
        "gym_cards/EZPoints-v0",
        "gym_cards/NumberLine-v0",
    ]
    assert weights_hash(str(run)) is None
    (run / "model.safetensors").write_bytes(b"weights")
    first = weights_hash(str(run))
    (run / "metrics.jsonl").write_text("{}")
    (run / "value_head.safetensors").write_bytes(b"not pushed by default")
    assert weights_hash(f"sb3:{run}") == first
    (run / "model.safetensors").write_bytes(b"others")
    assert weights_hash(str(run)) != first
    assert weights_hash("api:ppo") is None  # although there is a folder of that name
    assert len(weights_hash("numberline-tiny")) == 64
    assert trained_environments("numberline-tiny") == [
        {"env": "gym_cards/NumberLine-v0", "env_kwargs": {}}
    ]
