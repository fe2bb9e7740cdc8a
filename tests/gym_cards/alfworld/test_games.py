"""Games made from the shipped floor plans: named by their seeds, solvable, and as alfworld's."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from gym_cards.alfworld import ids, packages
from gym_cards.alfworld.engine.planner import Engine
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.alfred import SPLITS, Seen, alfred_tasks
from gym_cards.alfworld.games.alfred_games import reconstruct
from gym_cards.alfworld.games.floor_plans import contents_allowed, floor_plan, scenes
from gym_cards.alfworld.games.game import TASK_TYPES, TREATMENTS, game_file, problem, walkthrough
from gym_cards.alfworld.games.placement import places
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.generate import main as write_games
from gym_cards.alfworld.scene import Pose

every_task = pytest.mark.parametrize("task_type", TASK_TYPES)

# Types of things that are on the floor, where nobody can reach them.
NOWHERE = {
    "ScrubBrush",
    "PaperTowelRoll",
    "Plunger",
    "TeddyBear",
    "Boots",
    "Footstool",
    "BaseballBat",
}

# Computed once and written down: another digest means that seeds name other games than they did.
DIGESTS = {
    "pick_and_place_simple": "754c60a9b19cb910",
    "look_at_obj_in_light": "bc6a0d6c229208fa",
    "pick_clean_then_place_in_recep": "535e40f4e0526859",
    "pick_heat_then_place_in_recep": "371de256cc14ff8b",
    "pick_cool_then_place_in_recep": "cfbb98a4db3f505c",
    "pick_two_obj_and_place": "058f6962094398d0",
}


def digest(game):
    files = json.dumps([problem(game), walkthrough(game), game.name, game.task])
    return hashlib.sha256(files.encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def engine():
    engine = Engine()
    yield engine
    engine.close()


@every_task
def test_a_seed_names_a_game_for_ever(task_type):
    assert digest(generator.generate("train", task_type, 7)) == DIGESTS[task_type]


def test_the_hash_seed_has_no_say():
    """A process with another one makes the same game."""
    code = (
        "from gym_cards.alfworld.games import game, generator\n"
        "made = generator.generate('valid_seen', 'pick_two_obj_and_place', 3)\n"
        "print(game.problem(made), game.walkthrough(made))"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"  # not this process's
    other = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    made = generator.generate("valid_seen", "pick_two_obj_and_place", 3)
    assert other == f"{problem(made)} {walkthrough(made)}\n"


def test_the_stream_is_its_hash():
    """The first words of SHA-256 over the key and a counter."""
    expected = hashlib.sha256(b"a\n1\n0").digest()
    assert Stream("a", 1).below(1000) == int.from_bytes(expected[:8], "big") % 1000
    stream = Stream("even")
    counts = [0] * 5
    for _ in range(5000):
        counts[stream.below(5)] += 1
    assert all(900 < count < 1100 for count in counts)


@every_task
@pytest.mark.parametrize("split", SPLITS)
def test_walkthroughs_win(engine, split, task_type):
    files = game_file(generator.generate(split, task_type, 0))
    moment = engine.start(files)
    for command in files["walkthrough"]:
        assert not moment.won
        assert command in moment.commands
        moment = engine.step(command)
    assert moment.won


@every_task
def test_games_are_what_they_say(task_type):
    allowed = contents_allowed()
    goals = set()
    for seed in range(40):
        game = generator.generate("train", task_type, seed)
        goals.add((game.plan.number, game.target, game.parent))
        assert game.plan.number in scenes("train")
        assert game.target.lower() in game.task
        targets = [thing for thing in game.things if thing.kind == game.target]
        assert len(targets) >= (2 if task_type == "pick_two_obj_and_place" else 1)
        assert all(thing.where.kind != game.parent for thing in targets)
        for thing in game.things:
            assert thing.kind in allowed[thing.where.kind] or thing.kind == "DeskLamp"
        if game.parent:
            assert game.target in allowed[game.parent]
            assert game.parent.lower() in game.task
        if task_type in TREATMENTS:
            assert game.parent != TREATMENTS[task_type][2]
        assert game.start not in {piece.stand for piece in game.plan.furniture}
        identities = [item.identity for item in (*game.things, *game.plan.furniture)]
        assert len(set(identities)) == len(identities)
    assert len(goals) > 30


def test_splits_share_scenes_as_alfred_divides_them():
    assert scenes("valid_unseen") == (10, 219, 308, 424)
    assert scenes("tests_unseen") == (9, 29, 215, 226, 315, 325, 404, 425)
    assert [len(scenes(split)) for split in SPLITS] == [108, 88, 4, 107, 8]
    for unseen in ("valid_unseen", "tests_unseen"):
        assert not set(scenes(unseen)) & {
            s for seen in SPLITS if seen != unseen for s in scenes(seen)
        }
    assert set(scenes("valid_seen")) | set(scenes("tests_seen")) <= set(scenes("train"))
    one, other = (generator.generate(s, TASK_TYPES[0], 1) for s in ("train", "valid_seen"))
    assert problem(one) != problem(other)


def counted(games, of):
    return Counter(each for game in games for each in of(game))


def distance(one, other):
    """Total variation: the share of one that has to be moved to get the other."""
    first, second = one.total(), other.total()
    return sum(abs(one[key] / first - other[key] / second) for key in one | other) / 2


def test_generated_games_have_alfreds_statistics():
    """Samples of ALFRED's own tasks of this size differ by half of these bounds, and more."""
    draw = Stream("types")
    counts = generator.task_type_counts()
    generated = [generator.generate("train", draw.draw(counts), seed) for seed in range(400)]
    tasks = alfred_tasks("train")
    own = [reconstruct(tasks[i * len(tasks) // 400]) for i in range(400)]
    aspects = {
        "number of things": (0.12, lambda game: [len(game.things) // 8]),
        "types of things": (0.06, lambda game: [thing.kind for thing in game.things]),
        "their furniture": (0.16, lambda g: [(t.kind, t.where.kind) for t in g.things]),
        "rooms": (0.08, lambda game: [game.plan.room]),
        "types of tasks": (0.08, lambda game: [game.task_type]),
        "most of a type": (0.1, lambda g: [max(Counter(t.kind for t in g.things).values())]),
    }
    for name, (bound, of) in aspects.items():
        assert distance(counted(generated, of), counted(own, of)) < bound, name
    # The control: rooms of one kind alone are further away.
    kitchens = [game for game in generated if game.plan.room == "Kitchen"]
    assert (
        distance(
            counted(kitchens, aspects["types of things"][1]),
            counted(own, aspects["types of things"][1]),
        )
        > 0.06
    )
    goals = {(task.task_type, task.target, task.parent) for task in tasks}
    assert {(game.task_type, game.target, game.parent) for game in generated} <= goals


@pytest.mark.parametrize(("split", "number"), [("valid_seen", 172), ("valid_unseen", 156)])
def test_alfreds_tasks_are_won_by_their_walkthroughs(engine, split, number):
    tasks = alfred_tasks(split)
    assert len(tasks) == number
    for task in tasks[::40]:
        made = reconstruct(task)
        assert (made.plan.number, made.target, made.parent) == (
            task.scene,
            task.target,
            task.parent,
        )
        # Nothing is added but the lamp, and left out only what no furniture may hold.
        left = Counter(seen.kind for seen in task.things)
        left.subtract(thing.kind for thing in made.things if thing.kind != "DeskLamp")
        assert set((+left).elements()) <= NOWHERE
        assert not -left
        moment = engine.start(game_file(made))
        assert not moment.won
        for command in walkthrough(made):
            assert command in moment.commands
            moment = engine.step(command)
        assert moment.won


@pytest.mark.slow
@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
def test_each_of_alfreds_tasks_is_won(engine, split):
    for task in alfred_tasks(split):
        made = reconstruct(task)
        moment = engine.start(game_file(made))
        assert not moment.won
        for command in walkthrough(made):
            moment = engine.step(command)
        assert moment.won, made.name


def test_a_thing_is_in_the_furniture_around_it():
    """By hand, in scene 10: a plan's own point, then half a metre above a table."""
    plan = floor_plan(10)
    for kind, held in (("Fridge", "Egg"), ("Microwave", "Mug"), ("DiningTable", "Bowl")):
        for piece in plan.furniture:
            if piece.kind == kind:
                x, height, z = ids.position_of(piece.identity)
                up = {"Fridge": 1.0, "DiningTable": 0.0, "Microwave": 0.1}[kind]
                best, *others = places(Seen(held, (x, height + up, z)), 10)
                assert best.furniture == piece
                assert best.is_sure
                assert all(other.misfit >= best.misfit for other in others)
    far = places(Seen("Egg", (30.0, 1.0, 30.0)), 10)
    assert not any(place.is_sure for place in far)
    assert places(Seen("Footstool", (0.0, 0.0, 0.0)), 10) == []


def test_a_task_is_not_done_at_its_start():
    """Only one of two things may be in place, and none of a single one."""
    for task in alfred_tasks("train")[::25]:
        made = reconstruct(task)
        there = sum(t.kind == task.target and t.where.kind == task.parent for t in made.things)
        if task.task_type == "pick_and_place_simple":
            assert there == 0
        if task.task_type == "pick_two_obj_and_place":
            assert there <= 1


def test_furniture_stands_where_the_plan_has_it():
    plan = floor_plan(1)
    fridge = next(piece for piece in plan.furniture if piece.kind == "Fridge")
    assert fridge.identity == "Fridge|-02.10|+00.00|+01.09"
    assert fridge.stand == Pose(-1.0, 1.0, 3, 0)
    assert fridge.openable
    assert len(plan.floor) == 129
    # What the plan leaves out is set up at the rim: four burners of one stove.
    burners = [piece for piece in plan.furniture if piece.kind == "StoveBurner"]
    assert len(burners) == 4
    assert len({piece.stand for piece in burners}) == 1
    x, z, *_ = burners[0].stand
    assert (x, z) in plan.floor


@pytest.mark.parametrize("scene", [1, 9, 201, 215, 301, 330, 401, 420])
def test_every_plan_is_complete(scene):
    plan = floor_plan(scene)
    kinds = {piece.kind for piece in plan.furniture}
    if plan.room == "Kitchen":
        assert {"Fridge", "Microwave", "SinkBasin", "StoveBurner", "CounterTop"} <= kinds
    if plan.room == "Bathroom":
        assert {"SinkBasin", "Toilet", "TowelHolder"} <= kinds
    assert kinds <= set(contents_allowed())
    assert "GarbageCan" in kinds


def test_ids_and_names():
    position = (1.25, 0.9, -0.35)
    assert ids.thing_id("Mug", position) == "Mug|+01.25|+00.90|-00.35"
    basin = ids.thing_id("SinkBasin", position)
    assert basin == "Sink|+01.25|+00.90|-00.35|SinkBasin"
    assert ids.kind_of(basin) == "SinkBasin"
    assert ids.position_of(basin) == position
    assert ids.unspell(ids.spell(basin)) == basin
    assert ids.position_of("CounterTop|-00.08|+01.15|00.00") == (-0.08, 1.15, 0.0)
    pose = Pose(-1.25, 0.5, 3, -30)
    assert ids.place_id(pose) == "loc|-5|2|3|-30"
    assert ids.pose_of("loc|-5|2|3|-30") == pose


def test_names_are_those_of_alfworld():
    game = generator.generate("train", "pick_and_place_simple", 0)
    spelt = [ids.spell(t.identity).lower() for t in (*game.things, *game.plan.furniture)]

    class Info:
        def __init__(self, identity):
            self.id = identity

    demangler = packages.load("alfworld.agents.utils.misc").Demangler(
        game_infos={identity: Info(identity) for identity in spelt}
    )
    assert ids.number(spelt) == {one: demangler.demangle_alfred_name(one) for one in spelt}


def test_a_written_data_set_is_read_by_alfworld(tmp_path, capsys):
    write_games(["--out", str(tmp_path), "--games", "1", "--splits", "train", "valid_unseen"])
    environment = packages.load("alfworld.agents.environment.alfred_tw_env").AlfredTWEnv
    folder = tmp_path / dataset.LAYOUT
    config = {
        "env": {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6]},
        "dataset": {
            "data_path": str(folder / "train"),
            "eval_ood_data_path": str(folder / "valid_unseen"),
            "num_train_games": 0,
            "num_eval_games": 0,
        },
    }
    for split, name in (("train", "train"), ("valid_unseen", "eval_out_of_distribution")):
        found = sorted(environment(config, train_eval=name).game_files)
        assert found == [str(path) for path in dataset.find_games(tmp_path, split, TASK_TYPES)]
        assert len(found) == 6
    path = dataset.find_games(tmp_path, "train", ("pick_heat_then_place_in_recep",))[0]
    game = generator.generate("train", "pick_heat_then_place_in_recep", 0)
    assert path.parent == folder / "train" / game.name
    assert dataset.read_game(path) == dataset.files_of(game)
    assert json.loads(path.read_text())["solvable"] is True


def test_without_alfworld_the_command_tells_the_install_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fast_downward", None)
    packages.load.cache_clear()
    with pytest.raises(SystemExit) as stopped:
        write_games(["--out", str(tmp_path)])
    packages.load.cache_clear()
    assert stopped.value.code == 1
    assert 'run `pip install "gym-cards[alfworld]"`' in capsys.readouterr().err


def test_what_alfworld_skips_is_skipped(tmp_path):
    folder = tmp_path / dataset.LAYOUT / "train"
    game = generator.generate("train", TASK_TYPES[0], 0)
    good = dataset.write_game(game, folder)
    for kind in ("pick-movable-1", "pick-AppleSliced-1"):
        dataset.write_game(game, folder / kind)
    unsolved = dataset.write_game(game, folder / "unsolved")
    unsolved.write_text(json.dumps({**game_file(game), "solvable": False}))
    missing = dataset.write_game(game, folder / "missing")
    missing.unlink()
    assert dataset.find_games(tmp_path, "train", TASK_TYPES) == (good,)
    with pytest.raises(FileNotFoundError, match="no solvable game of the types look_at"):
        dataset.find_games(tmp_path, "train", ("look_at_obj_in_light",))


def test_which_data_set_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert dataset.data_folder(None) is None
    with pytest.raises(FileNotFoundError, match="the argument data names .*alfworld-download"):
        dataset.data_folder(tmp_path)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="the variable ALFWORLD_DATA names"):
        dataset.data_folder(None)
    (tmp_path / dataset.LAYOUT).mkdir()
    assert dataset.data_folder(None) == tmp_path
    # What importing alfworld sets it to says nothing.
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "home" / ".cache" / "alfworld"))
    assert dataset.data_folder(None) is None
