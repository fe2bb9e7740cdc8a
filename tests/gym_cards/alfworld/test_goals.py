"""Goals in people's words, and goals in pictures and in the window."""

import json

import gymnasium as gym
import numpy as np
import pytest
from household_rooms import before, in_the_middle, things

import gym_cards  # noqa: F401
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.goals import annotation
from gym_cards.alfworld.view import draw, goal_above, goal_strip
from gym_cards.alfworld.view import goal as strips

ID = "gym_cards/ALFWorld-v0"
ODD = (
    'Put the "clean" mug (red) in the café\\n {cabinet} #task# <|x|> \\\n'
    "next to 'it'. [日本] \"}\n}\n]."
)
KITCHEN = in_the_middle(("Fridge", "CounterTop", *["Drawer"] * 9, *["Cabinet"] * 12))
SIZES = (150, 224, 300, 600)

pytestmark = pytest.mark.filterwarnings("error")


def annotate(path, sentences):
    """Gives a game of a data set these goals in people's words."""
    place = path.with_name(dataset.TRAJECTORY)
    trajectory = json.loads(place.read_text("utf-8"))
    anns = [{"task_desc": sentence, "high_descs": ["Go."]} for sentence in sentences]
    trajectory["turk_annotations"] = {"anns": anns}
    place.write_text(json.dumps(trajectory), "utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of four games, three with annotations."""
    folder = tmp_path_factory.mktemp("data")
    for seed in range(4):
        game = generator.generate("valid_seen", "look_at_obj_in_light", seed)
        path = dataset.write_game(game, folder / dataset.LAYOUT / "valid_seen")
        annotate(path, [[ODD], [f"Annotation {i}." for i in range(20)], [" \n", "Two."], []][seed])
    return folder


def games(data, **arguments):
    """The games of the data set by the number of their seed, each at its start."""
    found = {}
    with gym.make(ID, data=str(data), split="valid_seen", size=150, **arguments) as env:
        for name in env.get_wrapper_attr("game_names"):
            seed = int(name.rpartition("_")[2])
            if seed < 3:
                found[seed] = env.reset(options={"game": name})
    return found


def test_goals_in_peoples_words(data):
    template, human = games(data), games(data, goals="human")
    told = {seed: info["task"] for seed, (_, info) in human.items()}
    assert told[0] == ODD
    assert human[0][1]["observation_text"].endswith(f"Your task is to: {ODD}.")
    assert told[1] in {f"Annotation {i}." for i in range(20)}
    assert told[2] == "Two."
    for seed, (picture, info) in template.items():
        assert info["task"] != told[seed]
        assert np.array_equal(picture, human[seed][0])
        for key in ("admissible_commands", "state", "task_type"):
            assert info[key] == human[seed][1][key]


def test_a_games_name_decides_which_annotation(data):
    """The same one every time, and any of them."""
    assert games(data, goals="human")[1][1]["task"] == games(data, goals="human")[1][1]["task"]
    trajectory = {"turk_annotations": {"anns": [{"task_desc": str(i)} for i in range(3)]}}
    paths = [data / "task" / f"trial_{seed}" / dataset.GAME for seed in range(12)]
    assert {annotation(trajectory, path) for path in paths} == {"0", "1", "2"}


def test_games_without_annotations_are_named(data):
    with gym.make(ID, data=str(data), split="valid_seen", goals="human", size=150) as env:
        names = env.get_wrapper_attr("game_names")
        bare = next(name for name in names if name.endswith("trial_3"))
        other = next(name for name in names if name.endswith("trial_1"))
        _, info = env.reset(options={"game": other})
        with pytest.raises(ValueError, match=r"trial_3/traj_data\.json has no goal in people's"):
            env.reset(options={"game": bare})
        # The game before goes on.
        after = env.step("look")[-1]
        assert {key: after[key] for key in ("task", "game")} == {
            key: info[key] for key in ("task", "game")
        }


def test_snapshots_keep_the_goal_and_its_words(data):
    arguments = {"data": str(data), "split": "valid_seen", "size": 150, "goals": "human"}
    with gym.make(ID, **arguments) as env, gym.make(ID, **arguments) as other:
        name = next(n for n in env.get_wrapper_attr("game_names") if n.endswith("trial_1"))
        _, info = env.reset(options={"game": name})
        other.reset(options={"game": 0})
        other.unwrapped.restore(json.loads(json.dumps(env.unwrapped.snapshot())))
        assert other.step("look")[-1]["task"] == info["task"]
        with gym.make(ID, **{**arguments, "goals": "template"}) as template:
            template.reset(seed=0)
            with pytest.raises(ValueError, match="the snapshot is of"):
                template.unwrapped.restore(env.unwrapped.snapshot())


@pytest.mark.parametrize("arguments", [{"games": "alfred"}, {"games": "generated"}, {}])
def test_other_games_have_no_annotations(arguments, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(ValueError, match="goals='human': only the games of a data set have goals"):
        gym.make(ID, split="valid_seen", goals="human", **arguments)
    with pytest.raises(ValueError, match="goals='own': expected one of 'template', 'human'"):
        gym.make(ID, goals="own")


def test_the_goal_in_the_picture(data):
    plain, shown = games(data, goals="human"), games(data, goals="human", show_goal=True)
    for seed, (picture, info) in shown.items():
        strip = goal_strip(info["task"], 150)
        assert np.array_equal(picture[: len(strip)], strip)
        assert not np.array_equal(picture, plain[seed][0])
        assert info["state"] == plain[seed][1]["state"]
    with pytest.raises(ValueError, match="show_goal='yes': expected True or False"):
        gym.make(ID, show_goal="yes")


def test_the_window_shows_the_goal(data, monkeypatch):
    shown = []
    monkeypatch.setattr("gym_cards.core.window.Window.show", lambda _, frame: shown.append(frame))
    heights = {}
    for show_goal in (False, True):
        arguments = {"data": str(data), "split": "valid_seen", "show_goal": show_goal, "size": 150}
        with gym.make(ID, render_mode="human", **arguments) as env:
            picture, info = env.reset(seed=0)
            seen = shown[-1]
            heights[show_goal] = len(seen)
            assert np.array_equal(seen[-150:], picture)
            strip = goal_strip(info["task"], 150, 1 if show_goal else 2)
            assert np.array_equal(seen[: len(strip)], strip)
    assert heights[True] == 150
    assert heights[False] > 150


@pytest.mark.parametrize("view", ["both", "first_person", "map"])
@pytest.mark.parametrize("size", [150, 300])
def test_everything_else_is_below_the_goal(size, view):
    """The rest is the same picture, drawn lower: what differs in one differs in the other."""
    goal = "put a hot apple in countertop"
    strip = goal_strip(goal, size)
    scenes = [before("CounterTop", things(n), held=things(1, "Apple")[0]) for n in (12, 13)]
    for scene in (*scenes, KITCHEN):
        picture = draw(scene, view=view, size=size, goal=goal)
        assert picture.shape == (size, size, 3)
        assert np.array_equal(picture[: len(strip)], strip)
    if view != "map":
        one, other = (draw(scene, view=view, size=size, goal=goal) for scene in scenes)
        assert (one != other).any(axis=2)[len(strip) :].sum() > 10


@pytest.mark.parametrize("size", SIZES)
def test_a_template_takes_little_room_in_large_letters(size):
    goal = "put two saltshaker in countertop"
    strip = goal_strip(goal, size)
    assert len(strip) <= size * 22 // 100
    letters = strips._sizes(size)[-1]
    assert letters >= max(9, size // 30)
    lines = len(strips._lines(goal, letters, size - 6))
    assert len(strip) > lines * strips._glyphs(letters)[" "].coverage.shape[0]


def test_lines_hold_every_word_and_break_where_people_did():
    for letters in (7, 12, 36):
        lines = [line.text for line in strips._lines(ODD, letters, 280)]
        assert " ".join(lines).replace("□□", "日本").split() == ODD.split()
        assert any(line.endswith("\\") for line in lines)
        assert lines[-2:] == ["}", "]."]
        for line in strips._lines(ODD, letters, 280):
            assert line.start + strips._width(line.text, letters) <= 280
    (first, *_, last) = strips._lines("x" * 300, 12, 280)
    assert first.text
    assert set(last.text) == {"x"}


def test_other_goals_have_other_strips():
    goals = (
        "put a mug",
        "put a  mug\nthere",
        "put a mug there",
        "Put a mug",
        "put a müg",
        "日",
        "",
    )
    for size in SIZES:
        pictures = [goal_strip(goal, size).tobytes() for goal in goals]
        assert len(set(pictures)) == len(goals)


def test_the_longest_goals_leave_half_of_the_picture():
    for size in SIZES:
        strip = goal_strip("find the mug and " * 200, size)
        assert size * 4 // 10 < len(strip) <= size // 2
        assert draw(KITCHEN, size=size, goal="find the mug and " * 200).shape == (size, size, 3)
        assert not strip.flags.writeable


def test_a_goal_above_a_picture_of_someone_else():
    picture = np.full((160, 160, 3), (10, 20, 30), np.uint8)
    above = goal_above(picture, "put a mug in desk")
    strip = goal_strip("put a mug in desk", 160)
    assert above.shape == picture.shape
    assert np.array_equal(above[: len(strip)], strip)
    assert (above[len(strip) :] == (10, 20, 30)).all()
