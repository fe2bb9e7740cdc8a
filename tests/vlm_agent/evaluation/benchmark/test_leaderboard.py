"""The leaderboard of docs: made of the records beside it."""

import runpy
from pathlib import Path

import pytest

from vlm_agent.evaluation.benchmark import Player, run_benchmark
from vlm_agent.evaluation.benchmark.leaderboard import leaderboard_page
from vlm_agent.evaluation.benchmark.record import RecordError

ROOT = Path(__file__).parents[4]


def test_the_page_is_what_the_records_say():
    script = runpy.run_path(str(ROOT / "benchmarks" / "leaderboard.py"))
    assert script["main"](["--check"]) == 0, "run python benchmarks/leaderboard.py"


@pytest.fixture
def played(mini, tmp_path):
    def play(file, name, policy="random", games=(), **fields):
        player = Player(name, policy, policy, **fields)
        return run_benchmark(player, mini, mini.choose(games), tmp_path / file)

    return play


def rows_of(page, start):
    return [line for line in page.splitlines() if line.startswith(f"| {start} |")]


def test_models_of_single_games_are_one_player(played):
    trained = {"trained_on": [{"env": "gym_cards/Blackjack-v0", "env_kwargs": {"decks": 2}}]}
    records = {
        "a.json": played("a.json", "CNN", games=["NumberLine"], trained_on=[], about="a | <b>"),
        "b.json": played("b.json", "CNN", games=["Blackjack"], **trained),
        "e.json": played("e.json", "expert", "expert", ["Blackjack"]),
    }
    page = leaderboard_page(records)
    summary, about = rows_of(page, "CNN")
    assert summary.startswith("| CNN | 5 of 5 |")
    assert '| `gym_cards/Blackjack-v0 {"decks": 2}` | a \\| &lt;b&gt; |' in about
    assert "[a.json](leaderboard/a.json), [b.json](leaderboard/b.json) |" in about
    assert rows_of(page, "expert")[0] == "| expert | 2 of 5 |  |  |  |  |"
    (line,) = rows_of(page, "NumberLine")
    assert line.endswith("|  |")  # the expert has not played it
    assert page.index("| CNN |") < page.index("| expert |")


def test_what_does_not_belong_into_it_is_named(played):
    record = played("a.json", "me", games=["Blackjack"])
    with pytest.raises(RecordError, match=r"b.json: me has another record of Blackjack, Blackjack"):
        leaderboard_page({"a.json": record, "b.json": record})
    with pytest.raises(RecordError, match=r"a.json: it is of a quick run"):
        leaderboard_page({"a.json": {**record, "quick": True}})
