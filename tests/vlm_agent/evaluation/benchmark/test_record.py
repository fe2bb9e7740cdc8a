"""Records: means by hand, and what the leaderboard refuses."""

import copy
import json
import math

import pytest

from tests.support.mini_benchmark import MINI
from vlm_agent.evaluation.benchmark import Player, problems_of, read_record, run_benchmark
from vlm_agent.evaluation.benchmark.record import summarise_tasks
from vlm_agent.evaluation.benchmark.tables import markdown_report, text_report
from vlm_agent.evaluation.summary import wilson_interval


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "me.json"
    player = Player("me", "random", "random", trained_on=[])
    record = run_benchmark(player, MINI, MINI.tasks, path)
    return record


@pytest.fixture
def tampered(record, mini):
    return copy.deepcopy(record)


def test_means_by_hand():
    """Two games in distribution; two variants of the one and one of the other outside it."""
    rates = {"NumberLine": 0.5, "Blackjack": 0.2, "NumberLineLong": 0.25, "NumberLineDrawn": 0.75,
             "BlackjackDeck": 0.3}  # fmt: skip
    results = {
        name: {
            "success_rate": rate,
            "success_interval": [rate - 0.1, rate + 0.2],
            "seen": False,
        }
        for name, rate in rates.items()
    }
    summary = summarise_tasks(MINI, results)
    inside, outside = summary["in_distribution"], summary["out_of_distribution"]
    assert inside["success"] == pytest.approx(0.35)
    assert outside["success"] == pytest.approx(((0.25 + 0.75) / 2 + 0.3) / 2)
    low = outside["success"] - math.sqrt(2 * (0.25 * 0.1) ** 2 + (0.5 * 0.1) ** 2)
    high = outside["success"] + math.sqrt(2 * (0.25 * 0.2) ** 2 + (0.5 * 0.2) ** 2)
    assert outside["success_interval"] == pytest.approx([low, high])
    tasks = {task.name: task for task in MINI.tasks}
    first, second = tasks["NumberLine"], tasks["Blackjack"]
    scaled = [
        (0.5 - first.random) / (1 - first.random),
        (0.2 - second.random) / (second.limit - second.random),
    ]
    assert inside["normalised"] == pytest.approx(sum(scaled) / 2)
    assert first.normalise(first.random) == 0
    assert second.normalise(second.limit) == 1
    del results["NumberLineLong"]
    assert summarise_tasks(MINI, results)["in_distribution"] == inside
    assert summarise_tasks(MINI, results)["out_of_distribution"]["success"] is None


def test_a_record_that_was_played_is_accepted(tampered):
    assert problems_of(tampered) == []
    assert problems_of(json.loads(json.dumps(tampered))) == []


def first_task(record):
    return record["tasks"]["NumberLine"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda r: r.update(set="mini-2"), "no benchmark set 'mini-2'"),
        (lambda r: r.update(set_checksum="x"), "written with another version of the set"),
        (lambda r: r.update(quick=True), "quick run"),
        (lambda r: r.update(name="<b>"), "the player's name is '<b>'"),
        (lambda r: r.update(tasks={}), "no task was played"),
        (lambda r: r["tasks"].update(Poker=first_task(r)), "Poker: mini-1 has no such task"),
        (lambda r: first_task(r).update(seed=None), "NumberLine: seed is None, expected 1000"),
        (lambda r: first_task(r).update(checksum="x"), "NumberLine: checksum is 'x'"),
        (lambda r: first_task(r).update(env_kwargs={"max_position": 2}), "env_kwargs is"),
        (lambda r: first_task(r).update(success_rate=1.0), "success_rate is 1.0"),
        (lambda r: first_task(r).update(success_interval=[0, 1]), "success_interval is"),
        (lambda r: first_task(r).update(outcomes="1"), "expected 6 outcomes"),
        (lambda r: first_task(r).update(outcomes="10102x"), "expected 6 outcomes, each 0 or 1"),
        (lambda r: first_task(r).update(illegal_rate=-1), "illegal_rate and perception"),
        (lambda r: first_task(r).update(mean_return=math.inf), "a finite mean_return"),
        (
            lambda r: r["summary"]["in_distribution"].update(success=1.0),
            "the summary does not follow",
        ),
    ],
)
def test_a_record_that_was_changed_is_refused(tampered, change, problem):
    change(tampered)
    assert problem in "\n".join(problems_of(tampered))


def test_the_rate_must_follow_from_the_outcomes(tampered):
    """Whoever changes both has to change all that follows, and only replaying tells."""
    result = first_task(tampered)
    result.update(outcomes="111111", success_rate=1.0, success_interval=list(wilson_interval(6, 6)))
    assert problems_of(tampered) == ["the summary does not follow from the tasks"]


@pytest.mark.parametrize("part", ["set", "player", "tasks"])
def test_a_record_of_another_form_is_refused(tampered, part):
    tampered[part] = {"NumberLine": {}} if part == "tasks" else []
    (problem,) = problems_of(tampered)
    assert "not a record as" in problem


def test_other_files_are_no_records(tmp_path):
    for text, message in (
        ("{", "not valid JSON"),
        ('{"format": "vlm-agent-benchmark", "version": 2}', "not a benchmark's record"),
        ('{"format": "vlm-agent-benchmark", "version": 1}', "lacks set, set_checksum"),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_record(tmp_path / "x.json")


def test_tables_leave_blank_what_was_not_played(tampered, mini):
    del tampered["tasks"]["NumberLineLong"]
    tampered["summary"] = summarise_tasks(mini, tampered["tasks"])
    tampered["tasks"]["NumberLineDrawn"]["seen"] = True
    text = text_report(mini, [tampered])
    assert "4 of 5" in text
    assert "NumberLineLong" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("NumberLineDrawn")]
    assert line.endswith("]*")
    page = markdown_report(mini, [tampered])
    (row,) = [line for line in page.splitlines() if line.startswith("| me |")]
    assert row.endswith("|  |  |")  # the mean out of distribution
    assert "## me\n\n| task | episodes | success | normalised |" in page
