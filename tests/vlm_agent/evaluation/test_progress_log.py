import json
from itertools import islice

import numpy as np
import pytest

from tests.vlm_agent.data.test_recordings import episode
from vlm_agent.cli.main import main
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.evaluation.comparison import compare, progress_file
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.players import LazyPolicy, find_player
from vlm_agent.evaluation.progress_log import ProgressLog

NUMBER_LINE = "gym_cards/NumberLine-v0"
POINTS = "gym_cards/EZPoints-v0"


class CutOffError(Exception):
    pass


def stop_after(steps):
    """Interrupts an evaluation in the middle of a turn, as Ctrl-C does."""
    left = iter(range(steps))

    def on_step(step):
        if next(left, None) is None:
            raise CutOffError

    return on_step


class Counted:
    """Policy that counts its calls, and whose replies depend on the observation."""

    def __init__(self):
        self.asked = 0

    def act(self, observations):
        from vlm_agent.core.types import Reply

        self.asked += len(observations)
        words = [" ".join(observation.state.values()) for observation in observations]
        return [
            Reply(f'{{"thoughts": "{w}", "action": "?"}}', len(w) % 2 or None, (1, 2))
            for w in words
        ]


@pytest.fixture(scope="module")
def unbroken():
    """Uninterrupted evaluations by policy."""
    return {}


@pytest.mark.parametrize("steps", [0, 1, 7, 22])
@pytest.mark.parametrize("kind", ["sampled", "random", "expert", "counted"])
def test_an_interrupted_evaluation_ends_as_one_that_was_not(
    kind, steps, make_policy, unbroken, tmp_path
):
    """The model samples at temperature 1, so its random numbers must continue, too."""
    make = {"sampled": make_policy, "counted": Counted}.get(kind, lambda: kind)
    arguments = {"env": NUMBER_LINE, "episodes": 13, "num_envs": 4, "seed": 2, "regret": True}
    if kind not in unbroken:
        unbroken[kind] = evaluate(make(), **arguments, name="it")
    path = tmp_path / "progress.jsonl"
    with pytest.raises(CutOffError):
        evaluate(make(), **arguments, name="it", progress=path, on_step=stop_after(steps))
    assert path.is_file()
    assert evaluate(make(), **arguments, name="it", progress=path) == unbroken[kind]
    assert not path.exists(), "nothing is left where all is over"


def test_what_was_replied_is_not_asked_for_again(tmp_path):
    arguments = {"env": NUMBER_LINE, "episodes": 20, "num_envs": 5, "progress": tmp_path / "p"}
    whole = Counted()
    evaluate(whole, NUMBER_LINE, episodes=20, num_envs=5)
    first, second = Counted(), Counted()
    with pytest.raises(CutOffError):
        evaluate(first, **arguments, on_step=stop_after(33))
    evaluate(second, **arguments)
    assert first.asked > 30
    assert first.asked + second.asked == whole.asked


def test_a_progress_file_that_was_cut_short_is_read_up_to_there(tmp_path):
    path = tmp_path / "progress"
    arguments = {"env": NUMBER_LINE, "episodes": 9, "num_envs": 3, "progress": path}
    with pytest.raises(CutOffError):
        evaluate(Counted(), **arguments, on_step=stop_after(20))
    path.write_bytes(path.read_bytes()[:-25])
    with pytest.warns(UserWarning, match="is cut short"):
        assert evaluate(Counted(), **arguments) == evaluate(Counted(), NUMBER_LINE, episodes=9)


def test_another_call_takes_nothing_from_a_progress_file(tmp_path):
    path = tmp_path / "progress"
    with pytest.raises(CutOffError):
        evaluate("random", POINTS, episodes=9, progress=path, on_step=stop_after(20))
    other = evaluate("random", POINTS, episodes=9, seed=1, progress=path)
    assert other == evaluate("random", POINTS, episodes=9, seed=1)


@pytest.mark.parametrize("content", [None, "\\documentclass{article}\n", '{"my": "notes"}\n'])
def test_a_progress_file_of_something_else_is_refused(content, tmp_path):
    path = tmp_path / "mine"
    if content is None:
        list(compare({"random": "random"}, NUMBER_LINE, episodes=2, json=path))
    else:
        path.write_text(content)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="something else than the progress of evaluations"):
        evaluate("expert", NUMBER_LINE, episodes=2, progress=path)
    assert path.read_bytes() == before


def test_the_progress_of_another_evaluation_is_kept(tmp_path):
    path, link = tmp_path / "progress", tmp_path / "link"
    arguments = {"env": NUMBER_LINE, "episodes": 9, "num_envs": 3, "progress": path}
    first, second = Counted(), Counted()
    with pytest.raises(CutOffError):
        evaluate(first, **arguments, on_step=stop_after(20))
    path.write_bytes(path.read_bytes() + b'{"eval')
    others = path.read_bytes().splitlines()[:-1]
    link.symlink_to(path)
    with pytest.warns(UserWarning, match="is cut short"):
        evaluate("expert", NUMBER_LINE, episodes=2, progress=link)
    assert link.is_symlink()
    assert path.read_bytes().splitlines() == others
    assert evaluate(second, **arguments) == evaluate(Counted(), NUMBER_LINE, episodes=9)
    assert second.asked < first.asked
    assert not path.exists()


def test_a_progress_file_cut_short_twice_is_still_one(tmp_path):
    path = tmp_path / "records.jsonl"
    arguments = {"envs": NUMBER_LINE, "episodes": 3, "json": path}
    next(compare({"a": "random", "b": "expert"}, **arguments))
    lines = progress_file(path).read_text().splitlines(keepends=True)
    progress_file(path).write_text("".join([*lines[:2], lines[2][:30] + "\n", *lines[3:]]))
    with pytest.warns(UserWarning, match="is cut short"):
        assert len(list(compare({"a": "random", "b": "expert"}, **arguments))) == 2


def test_numbers_of_numpy_are_stored_as_plain_ones(tmp_path):
    arguments = {"episodes": 2, "env_kwargs": {"max_position": np.int64(7)}}
    plain = evaluate("random", NUMBER_LINE, episodes=2, env_kwargs={"max_position": 7})
    assert evaluate("random", NUMBER_LINE, **arguments, progress=tmp_path / "p") == plain
    path = tmp_path / "records.jsonl"
    assert list(compare({"random": "random"}, NUMBER_LINE, **arguments, json=path)) == [plain]
    assert json.loads(path.read_text())["env_kwargs"] == {"max_position": 7}
    with pytest.raises(TypeError, match="cannot be stored in a file of JSON"):
        evaluate("random", NUMBER_LINE, env_kwargs={"x": object()}, progress=path.with_name("p"))


def test_a_log_keeps_several_evaluations_apart(tmp_path):
    path = tmp_path / "log"
    one, two = ProgressLog(path, {"policy": "a"}), ProgressLog(path, {"policy": "b"})
    one.ended(0, {"success": True})
    two.ended(3, {"success": False})
    one.finished({"episodes": 1})
    assert ProgressLog(path, {"policy": "a"}).over == {0: {"success": True}}
    assert ProgressLog(path, {"policy": "a"}).record == {"episodes": 1}
    assert ProgressLog(path, {"policy": "b"}).over == {3: {"success": False}}
    assert ProgressLog(path, {"policy": "b"}).record is None


def without_seconds(path):
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(record.pop("seconds_per_step") > 0 for record in records)
    return records


def test_a_comparison_goes_on_record_by_record_without_loading_what_is_over(tmp_path):
    loaded = []

    def lazily(policy):
        return LazyPolicy(lambda: loaded.append(policy) or policy, {"files": policy})

    policies = {"a": lazily("random"), "b": lazily("expert"), "c": Counted()}
    envs = [NUMBER_LINE, POINTS]
    whole, path = tmp_path / "whole.jsonl", tmp_path / "records.jsonl"
    records = list(compare(policies, envs, episodes=6, json=whole))
    assert [(one.policy, one.env) for one in records] == [(p, e) for p in "abc" for e in envs]
    assert not progress_file(whole).exists()
    loaded.clear()
    assert len(list(islice(compare(policies, envs, episodes=6, json=path), 3))) == 3
    assert loaded == ["random", "expert"]
    assert list(compare(policies, envs, episodes=6, json=path)) == records
    assert loaded == ["random", "expert", "expert"]
    assert without_seconds(path) == without_seconds(whole)
    changed = {**policies, "a": LazyPolicy(lambda: "random", {"files": "others"})}
    assert len(list(islice(compare(policies, envs, episodes=6, json=path), 1))) == 1
    assert list(compare(changed, envs, episodes=6, json=path)) == records


def test_what_a_comparison_has_loaded_is_closed_after_an_error_too():
    class Failing:
        closed = 0

        def act(self, observations):
            raise RuntimeError("no server")

        def close(self):
            self.closed += 1

    policy = Failing()
    with pytest.raises(RuntimeError, match="no server"):
        list(compare({"a": LazyPolicy(lambda: policy, {})}, [NUMBER_LINE], episodes=2))
    assert policy.closed == 1


def test_the_command_goes_on_where_it_was_interrupted(monkeypatch, tmp_path, capsys):
    """Each episode is recorded exactly once, and complete."""
    words = ["eval", "--policy", "random", "expert", "--env", NUMBER_LINE, POINTS, "--episodes"]
    words += ["7", "--num-envs", "3", "--regret", "--json"]
    whole, path = tmp_path / "whole.jsonl", tmp_path / "records.jsonl"
    assert main([*words, str(whole)]) == 0
    words += [str(path), "--record", str(tmp_path / "episodes")]
    from vlm_agent.evaluation.recorder import EvaluationRecorder

    call, calls = EvaluationRecorder.__call__, iter(range(60))

    def breaking(self, step):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        call(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(EvaluationRecorder, "__call__", breaking)
        assert main(words) == 130
    assert progress_file(path).is_file()
    capsys.readouterr()
    assert main(words) == 0
    assert "continuing" in capsys.readouterr().out
    assert without_seconds(path) == without_seconds(whole)
    recorded = list(read_trajectories(tmp_path / "episodes"))
    found = sorted((each["policy"], each["env"], each["number"]) for each in recorded)
    envs = sorted([NUMBER_LINE, POINTS])
    assert found == [(p, e, n) for p in ("expert", "random") for e in envs for n in range(7)]
    assert all(len(each["steps"]) == each["length"] for each in recorded)


def test_a_policy_whose_files_changed_is_played_anew(tmp_path):
    file = tmp_path / "episodes.jsonl"
    file.write_text(json.dumps(episode("NumberLine", 3)) + "\n")
    words = ["eval", "--policy", f"recording:{file}", "random", "--env", NUMBER_LINE, "--json"]
    path = tmp_path / "records.jsonl"
    assert main([*words, str(path), "--episodes", "2", "--plot", str(tmp_path / "no" / "x.png")])
    before = find_player(f"recording:{file}")
    file.write_text(file.read_text() + json.dumps(episode("NumberLine", 4)) + "\n")
    after = find_player(f"recording:{file}")
    assert before.identity != after.identity
    play = compare({"me": before, "dice": "random"}, [NUMBER_LINE], episodes=2, json=path)
    assert next(play).episodes == 2
    play.close()
    assert next(compare({"me": after}, [NUMBER_LINE], episodes=2, json=path)).episodes == 2
