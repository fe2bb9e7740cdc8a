"""One player knows everything and always wins; the other knows what it has seen, and no more."""

import random
import re

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.alfworld import experts
from gym_cards.alfworld.experts import WORST_CASE, Memory
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.games.goals import Goal
from gym_cards.alfworld.scene import Pose, Receptacle, Scene, Thing

every_task = pytest.mark.parametrize("task_type", TASK_TYPES)
NAME = re.compile(r"\b[a-z]+ \d+\b")


@pytest.fixture(scope="module")
def env():
    env = gym.make("gym_cards/ALFWorld-v0", view="map", size=150).unwrapped
    yield env
    env.close()


def start(env, task_type, seed, split="train"):
    env.split = split
    return env.reset(options={"task_type": task_type, "game_seed": seed})[1]


def steps_to_win(env, info, privileged):
    for step in range(50):
        if info["won"]:
            return step
        command, reason = env.expert(privileged=privileged)
        assert command in info["admissible_commands"]
        assert command != "look", reason
        *_, info = env.step(command)
    return 50


@every_task
@pytest.mark.parametrize("split", ["train", "valid_unseen"])
def test_who_knows_everything_wins_from_any_state(env, split, task_type):
    info = start(env, task_type, 0, split)
    assert 0 < steps_to_win(env, info, privileged=True) <= WORST_CASE
    info = start(env, task_type, 0, split)
    rng = random.Random(0)
    for _ in range(20):
        if not info["won"]:
            *_, info = env.step(rng.choice(info["admissible_commands"]))
    assert steps_to_win(env, info, privileged=True) <= WORST_CASE


@every_task
def test_who_has_to_search_says_only_what_it_saw(env, task_type):
    info = start(env, task_type, 100)
    # All furniture is on the map; of things, only those that some picture showed.
    seen = {piece.name for piece in env._house.scene.receptacles}
    for _ in range(50):
        for piece in env._house.scene.here:
            seen |= {thing.name for thing in piece.contents or ()}
        command, reason = env.demonstrate()
        assert set(NAME.findall(f"{command} {reason}")) <= seen
        *_, info = env.step(command)
        if info["won"]:
            break
    assert info["won"]


def test_the_memory_holds_no_more_than_pictures_showed(env):
    start(env, "pick_and_place_simple", 5)
    rng = random.Random(5)
    shown = {}
    for _ in range(30):
        for piece in env._house.scene.here:
            if piece.contents is not None:
                shown[piece.name] = piece.contents
        assert env._house._memory.contents == shown
        assert env._house._memory.held == env._house.scene.held
        *_, info = env.step(rng.choice(env._now.commands))
        if info["won"]:
            break


START = Pose(0, 0)


def scene(*receptacles, agent=START, held=None):
    floor = frozenset((piece.stand.x, piece.stand.z) for piece in receptacles) | {agent[:2]}
    return Scene(agent, receptacles, floor, held)


def at(name, kind, stand, contents=None, **state):
    return Receptacle(name, kind, (0.0, 0.0, 0.0), Pose(*stand), contents=contents, **state)


GOAL = Goal("pick_and_place_simple", "Mug", "Desk", "")


def decide(*scenes, goal=GOAL):
    memory = Memory()
    for one in scenes:
        memory.see(one)
    plan = experts._Plan(goal, memory, ())
    return plan.next()


def test_it_searches_likely_places_first():
    counter = at("countertop 1", "CounterTop", (5, 0))
    drawers = [at(f"cabinet {n}", "Cabinet", (n, 1), openable=True) for n in (1, 2, 3)]
    bed = at("bed 1", "Bed", (0, 1))
    # Were a mug on the desk, the game would be won.
    desk = at("desk 1", "Desk", (0, 2))
    command, reason = decide(scene(bed, desk, *drawers, counter))
    assert command == "go to countertop 1"
    assert reason == "I need a mug and know of none. It may be at countertop 1, so I go there."
    # With the counter seen to hold none, cabinets are left, the nearest first; never the bed.
    looked = at("countertop 1", "CounterTop", (5, 0), contents=())
    assert decide(scene(bed, desk, *drawers, looked, agent=Pose(5, 0)))[0] == "go to cabinet 3"


def test_it_remembers_what_it_saw():
    mug = Thing("mug 2", "Mug")
    shelf = at("shelf 1", "Shelf", (1, 0), contents=(mug,))
    hidden = at("shelf 1", "Shelf", (1, 0))
    desk = at("desk 1", "Desk", (3, 0))
    first = scene(shelf, desk, agent=Pose(1, 0))
    assert decide(first)[0] == "take mug 2 from shelf 1"
    later = scene(hidden, at("desk 1", "Desk", (3, 0), contents=()), agent=Pose(3, 0))
    assert decide(first, later)[0] == "go to shelf 1"
    emptied = at("shelf 1", "Shelf", (1, 0), contents=())
    holding = scene(emptied, desk, agent=Pose(1, 0), held=mug)
    assert decide(first, holding)[0] == "go to desk 1"


def test_two_of_a_kind_go_to_the_same_piece():
    goal = Goal("pick_two_obj_and_place", "Mug", "Shelf", "")
    one, two = Thing("mug 1", "Mug"), Thing("mug 2", "Mug")
    full = at("shelf 1", "Shelf", (9, 0), contents=(one,))
    near = at("shelf 2", "Shelf", (1, 0), contents=())
    first = scene(full, at("shelf 2", "Shelf", (1, 0)), agent=Pose(9, 0))
    then = scene(at("shelf 1", "Shelf", (9, 0)), near, agent=Pose(1, 0), held=two)
    assert decide(first, then, goal=goal)[0] == "go to shelf 1"
    desk = at("desk 1", "Desk", (4, 0))
    shelf = at("shelf 1", "Shelf", (9, 0))
    last = scene(shelf, near, desk, agent=Pose(1, 0))
    command, reason = decide(first, last, goal=goal)
    assert command == "go to desk 1"
    assert reason.startswith("I need another mug and know of none.")


def test_a_hand_full_of_something_else_is_freed():
    bat = Thing("knife 1", "Knife")
    drawer = at("drawer 1", "Drawer", (1, 0), openable=True)
    counter = at("countertop 1", "CounterTop", (2, 0))
    desk = at("desk 1", "Desk", (1, 0), contents=())
    here = scene(drawer, counter, desk, agent=Pose(1, 0), held=bat)
    command, reason = decide(here)
    assert (command, reason) == (
        "open drawer 1",
        "I hold knife 1, but need a mug. drawer 1 is closed, so I open it.",
    )


def test_what_cannot_be_done_is_never_played():
    memory = Memory()
    memory.see(scene(at("shelf 1", "Shelf", (1, 0)), at("desk 1", "Desk", (2, 0))))
    command, reason = experts.play(GOAL, memory, ("look", "help"))
    assert command == "look"
    assert reason == "I cannot go to shelf 1 from here, so I look around."


def test_every_command_is_explained(env):
    info = start(env, "pick_heat_then_place_in_recep", 3)
    verbs = set()
    rng = random.Random(0)
    for _ in range(40):
        for command in info["admissible_commands"]:
            reason = env.explain(command)
            assert reason.endswith(".")
            verbs.add(command.split()[0])
            for name in NAME.findall(command):
                assert name in reason
        *_, info = env.step(rng.choice(info["admissible_commands"]))
        if info["won"]:
            break
    assert {"go", "open", "take", "examine", "look", "help", "inventory"} <= verbs
