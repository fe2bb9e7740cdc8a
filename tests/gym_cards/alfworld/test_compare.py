"""The comparison with published games counts what differs, no more and no less."""

import json
from dataclasses import replace

import pytest

from gym_cards.alfworld.compare import main
from gym_cards.alfworld.games import dataset
from gym_cards.alfworld.games.alfred import alfred_tasks
from gym_cards.alfworld.games.alfred_games import reconstruct
from gym_cards.alfworld.games.floor_plans import contents_allowed
from gym_cards.alfworld.games.game import walkthrough


def moved(game):
    """The game with a thing in furniture of another type; one that its walkthrough does not use."""
    allowed = contents_allowed()
    for index, thing in enumerate(game.things):
        for piece in game.plan.furniture:
            elsewhere = piece.kind != thing.where.kind and thing.kind in allowed[piece.kind]
            if elsewhere and thing.kind != game.target:
                others = list(game.things)
                others[index] = replace(thing, where=piece)
                return replace(game, things=tuple(others))
    raise AssertionError("nothing can be moved")


def without(game):
    """The game without a thing that is of no use for its goal."""
    kept = [thing for thing in game.things if thing.kind not in (game.target, "DeskLamp")]
    return replace(game, things=tuple(thing for thing in game.things if thing is not kept[0]))


def unfurnished(game):
    """The game without a piece of furniture that holds nothing."""
    holding = {thing.where for thing in game.things}
    kinds = [piece.kind for piece in game.plan.furniture]
    free = [p for p in game.plan.furniture if p not in holding and kinds.count(p.kind) > 1]
    left = tuple(piece for piece in game.plan.furniture if piece is not free[-1])
    return replace(game, plan=replace(game.plan, furniture=left))


@pytest.fixture(scope="module")
def games():
    """Six of ALFRED's tasks in one room, reconstructed."""
    tasks = [task for task in alfred_tasks("valid_unseen") if task.scene == 10]
    kinds = ("pick_and_place_simple", "pick_heat_then_place_in_recep")
    return [reconstruct(task) for task in tasks if task.task_type in kinds][:6]


@pytest.fixture
def data(tmp_path, monkeypatch, games):
    """A data set in the published layout whose games differ from ours in known ways."""
    split = tmp_path / dataset.LAYOUT / "valid_unseen"
    other = "Bowl" if games[4].target != "Bowl" else "Mug"
    for game in (
        games[0],
        moved(games[1]),
        without(games[2]),
        unfurnished(games[3]),
        replace(games[4], target=other),
        replace(games[0], trial="trial_unknown"),
    ):
        dataset.write_game(game, split)
    path = dataset.write_game(games[5], split)
    files = json.loads(path.read_text())
    files["walkthrough"] += ["look", "look"]
    # Spelling and spaces are no difference.
    files["pddl_problem"] = files["pddl_problem"].upper().replace("\n", "\n\n").replace(" ", "  ")
    path.write_text(json.dumps(files))
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    return tmp_path


def test_known_differences_are_counted(data, games, tmp_path, capsys):
    report = tmp_path / "report.json"
    main(["--split", "valid_unseen", "--json", str(report)])
    found = json.loads(report.read_text())
    assert set(found) == {game.trial for game in games}
    rows = [found[game.trial] for game in games]
    things = [len(game.things) for game in games]
    pieces = [len(game.plan.furniture) for game in games]

    def shared(both, published, here):
        return {"both": both, "published": published, "here": here}

    for number, row in enumerate(rows):
        count, fewer = things[number], things[number] - (number == 2)
        assert row["objects"] == shared(fewer, fewer, count)
        furniture = pieces[number] - (number == 3)
        assert row["receptacles"] == shared(furniture, furniture, pieces[number])
        assert row["places"] == shared(fewer - (number == 1), fewer, count)
        assert row["same_task"] == row["same_goal"] == (number != 4)
    lengths = [len(walkthrough(game)) for game in games]
    assert [rows[i]["plan_lengths"] for i in (0, 1, 2, 3)] == [[n, n] for n in lengths[:4]]
    assert rows[5]["plan_lengths"] == [lengths[5] + 2, lengths[5]]

    printed = capsys.readouterr().out
    rest = len(alfred_tasks("valid_unseen")) - 6
    assert f"are in both, 1 in the data set alone, {rest} here alone" in printed
    line = next(line for line in printed.splitlines() if games[1].trial in line)
    n, m = things[1], pieces[1]
    assert f"objects {n} of {n}/{n}, receptacles {m} of {m}/{m}, places {n - 1} of {n}/{n}" in line
    table = {line.split("  ")[0]: line.split() for line in printed.splitlines()[-6:]}
    total, furniture = sum(things), sum(pieces)
    assert table["objects"][1:] == [
        "5",
        "of",
        "6",
        "(83%)",
        *map(str, (total - 1, total - 1, total)),
    ]
    assert table["receptacles"][5:] == f"{furniture - 1} {furniture - 1} {furniture}".split()
    assert table["places"][1:] == [
        "4",
        "of",
        "6",
        "(67%)",
        *map(str, (total - 2, total - 1, total)),
    ]
    assert table["task"][1:] == table["goal"][1:] == ["5", "of", "6", "(83%)"]
    published = sum(row["plan_lengths"][0] for row in rows)
    assert table["plan length"][-2:] == [str(published), str(sum(lengths))]


def test_without_a_data_set_it_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "expected --data, or ALFWORLD_DATA" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path)])
    assert stopped.value.code == 1
    assert "expected a folder that holds json_2.1.1" in capsys.readouterr().err
