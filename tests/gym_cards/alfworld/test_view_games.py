"""Pictures of whole games: what they show is the state, all of it and no more."""

from pathlib import Path

import numpy as np
import pytest

from gym_cards.alfworld.games.dataset import files_of
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.games.generator import generate
from gym_cards.alfworld.house import TextHouse
from gym_cards.alfworld.view.picture import draw


@pytest.fixture(scope="module")
def moments():
    """The scenes, states and pictures of random play in a game of each task type."""
    rng = np.random.default_rng(5)
    found = {}
    house = TextHouse("both", 300)
    for seed, task_type in enumerate(TASK_TYPES):
        moment = house.start(files_of(generate("train", task_type, seed)), Path())
        found[task_type] = [(house.scene, house.state(), house.frame())]
        while len(found[task_type]) < 25 and not moment.won:
            moment = house.step(str(rng.choice(moment.commands)))
            found[task_type].append((house.scene, house.state(), house.frame()))
    house.close()
    return found


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_other_states_have_other_pictures(moments, task_type):
    game = moments[task_type]
    for i, (_, state, picture) in enumerate(game):
        for _, other_state, other_picture in game[:i]:
            if state != other_state:
                assert (picture != other_picture).any(axis=2).sum() > 10


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_what_was_seen_before_leaves_no_trace_in_the_picture(moments, task_type):
    shown = {}
    for scene, _, picture in moments[task_type]:
        seen = (scene.agent, scene.here, scene.held)
        assert np.array_equal(shown.setdefault(seen, picture), picture)


@pytest.mark.parametrize("size", [150, 448])
def test_games_have_pictures_of_other_sizes(moments, size):
    for game in moments.values():
        for scene, _, _ in game[::8]:
            for view in ("both", "first_person", "map"):
                assert draw(scene, view=view, size=size).shape == (size, size, 3)
