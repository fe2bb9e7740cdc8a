import json

import pytest

from vlm_agent.cli.main import main
from vlm_agent.evaluation.comparison import compare, progress_file

NUMBER_LINE = "gym_cards/NumberLine-v0"
WORDS = ["eval", "--policy", "random", "--env", NUMBER_LINE, "--episodes", "2", "--json"]
OLD = json.dumps({"policy": "old", "env": "e", "episodes": 1, "success_rate": 0.5}) + "\n"


def test_records_are_replaced_when_the_first_new_one_is_complete(tmp_path, monkeypatch):
    path, link = tmp_path / "records.jsonl", tmp_path / "link.jsonl"
    path.write_text(OLD * 2)
    link.symlink_to(path)
    plays = compare(
        {"dice": "random", "best": "expert"}, [NUMBER_LINE], episodes=2, json=link,
        watch=lambda *_: pytest.fail("nothing is played before it is asked for"),
    )  # fmt: skip
    assert path.read_text() == OLD * 2
    del plays
    seen = []
    for _ in compare({"dice": "random", "best": "expert"}, [NUMBER_LINE], episodes=2, json=link):
        seen.append([json.loads(line)["policy"] for line in path.read_text().splitlines()])
    assert seen == [["dice"], ["dice", "best"]]
    assert link.is_symlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.jsonl", "records.jsonl"]


def test_a_call_that_fails_leaves_the_records_as_they_were(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(OLD)

    def broken(observation):
        raise RuntimeError("no reply")

    with pytest.raises(RuntimeError, match="no reply"):
        list(compare({"broken": broken}, [NUMBER_LINE], episodes=2, json=path))
    assert path.read_text() == OLD
    assert progress_file(path).is_file()


@pytest.mark.parametrize(
    "content",
    ["# Notes\n", '{"format": "gym-cards-episode"}\n', OLD + "mine\n" + OLD, "[1]\n", b"\x89PNG"],
)
def test_a_file_of_something_else_is_not_replaced(content, tmp_path, capsys):
    path = tmp_path / "precious.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    assert main([*WORDS, str(path)]) == 1
    assert "precious.txt holds something else than records" in capsys.readouterr().err
    assert path.read_bytes() == before
    other = tmp_path / "records.jsonl"
    progress_file(other).write_bytes(before)
    assert main([*WORDS, str(other)]) == 1
    assert progress_file(other).read_bytes() == before


def test_folders_and_places_without_one_are_refused(tmp_path, capsys):
    assert main([*WORDS, str(tmp_path)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert main([*WORDS, str(tmp_path / "none" / "records.jsonl")]) == 1
    assert "no directory for" in capsys.readouterr().err


def test_a_table_replaces_only_a_table(tmp_path, capsys):
    words = [*WORDS[:-1], "--markdown", str(tmp_path / "README.md")]
    (tmp_path / "README.md").write_text("# Mine\n")
    assert main(words) == 1
    assert "README.md holds something else than a table" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    (tmp_path / "README.md").unlink()
    assert main(words) == main(words) == 0
    assert (tmp_path / "README.md").read_text().startswith("| policy | env |")
