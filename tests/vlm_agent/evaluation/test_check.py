"""`vlm-agent check` finds what is wrong with an environment of which it knows nothing."""

import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import gym_cards  # noqa: F401
from tests.support.strangers import Doors, telling
from vlm_agent.cli.main import main
from vlm_agent.evaluation.check import check_environment

IDS = [name for name in gym.registry if name.startswith("gym_cards/")]
FAST = ("NumberLine", "Points24", "Memory")


def faults(make):
    return check_environment(make, episodes=2).faults


def test_five_faults_of_a_strangers_environment_are_diagnosed_by_the_command_alone(capsys):
    """Each in another place: attribute, expert, info, seeds, and a late reward."""
    drawn = np.random.default_rng()

    def make():
        return Doors(
            task_description=None,
            expert=lambda: (2, "I always go straight on"),
            info=telling(state=lambda env: {"lit door": env.lit}),
            picture=lambda env, picture: drawn.integers(0, 255, picture.shape, np.uint8),
            outcome=lambda env, was: (was[0] if env.round < 3 else float("nan"), *was[1:]),
        )

    gym.register("stranger/Doors-v0", make)
    try:
        status = main(["check", "--env", "stranger/Doors-v0"])
    finally:
        del gym.registry["stranger/Doors-v0"]
    out = capsys.readouterr().out
    assert status == 1
    assert "stranger/Doors-v0: 5 faults" in out
    for part in (
        "task_description is None",
        "expert() returned the action 2 (int): expected a whole number from 0 to 1",
        "info['state']['lit door'] is ",
        "two episodes with seed",
        "differ in the picture after reset",
        "the reward nan (float): expected a finite number (random, seed",
        "step 3)",
    ):
        assert part in out


def test_a_right_environment_passes_and_shows_what_an_agent_gets(capsys, tmp_path):
    gym.register("stranger/Doors-v0", Doors)
    picture = tmp_path / "first.png"
    try:
        status = main(["check", "--env", "stranger/Doors-v0", "--picture", str(picture)])
    finally:
        del gym.registry["stranger/Doors-v0"]
    out = capsys.readouterr().out
    assert status == 0
    for part in (
        'You can choose between "left", "right".',
        "8 x 8 pixels, saved in",
        "--- 2 actions ---\nleft, right",
        "lit door: ",
        "expert      3 of 3 episodes won, 9 steps, mean return 3",
        "steps per second",
        "no faults",
    ):
        assert part in out
    assert picture.is_file()


class Leaking(Doors):
    """Counts the rounds of all environments together."""

    seen: list[int] = []  # noqa: RUF012

    def _moment(self):
        self.seen.append(self.round)
        picture, info = super()._moment()
        return picture, {**info, "state": {"rounds": str(len(self.seen))}}


class Shared(Doors):
    """Plays only the actions of the environment that was reset last."""

    players: list[object] = []  # noqa: RUF012

    def reset(self, **kwargs):
        type(self).players = [self]
        return super().reset(**kwargs)

    def step(self, action):
        if self.players[0] is not self:
            action = 0
        return super().step(action)


FAULTS = {
    "memory": (Leaking, "two episodes .* differ in info\\['state'\\]"),
    "batch": (Shared, "at the same time as others differs"),
    "error": (
        lambda: Doors(outcome=lambda env, was: 1 / 0),
        "raises ZeroDivisionError.*random, seed",
    ),
    "no end": (lambda: Doors(outcome=lambda *_: (0.0, False, False)), "not ended after 1000 steps"),
    "space": (
        lambda: Doors(observation_space=spaces.Box(0, 255, (9, 9, 3), np.uint8)),
        "shape \\(8, 8, 3\\) and dtype uint8, and observation_space is Box",
    ),
    "shapes": (
        lambda: Doors(picture=lambda env, picture: picture[: 8 - env.round]),
        "have shapes \\(8, 8, 3\\) and \\(7, 8, 3\\)",
    ),
    "games": (lambda: Doors(game_names="abc"), "game_names is 'abc'"),
    "values": (lambda: Doors(exact=lambda: spaces), "exact\\(\\) raises AttributeError"),
    "reasons": (lambda: Doors(explain=lambda action: 3), "explain\\(\\) returned the reason 3"),
    "lazy": (
        lambda: Doors(lazy_observations=False, current_observation=lambda: np.ones(3)),
        "current_observation\\(\\) after step 0 is not the picture",
    ),
    "same": (lambda env=Doors(): env, "returns the same one each time"),  # noqa: B008
    "none": (lambda: None, "None: expected a gymnasium.Env"),
    "demonstrate": (lambda: Doors(demonstrate=lambda: "left"), "demonstrate\\(\\) returned 'left'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_fault_is_found(fault):
    make, message = FAULTS[fault]
    found = faults(make)
    assert any(re.search(message, each) for each in found), found


@pytest.mark.parametrize("told", [{"state": {}}, {"given": ("lit door",)}], ids=str)
def test_what_may_be_meant_so_is_a_note(told):
    result = check_environment(lambda: Doors(info=telling(**told), repeats_given=False), episodes=2)
    assert not result.faults
    assert any("nothing to read out of info['state']" in note for note in result.notes)


@pytest.mark.parametrize("name", FAST)
def test_our_environments_pass(name):
    result = check_environment(f"gym_cards/{name}-v0", episodes=2)
    assert not result.faults
    assert {each.name for each in result.players} == {"random", "expert"}
    assert result.observation is not None
    assert result.steps_per_second


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_all_our_environments_pass(name):
    assert not faults(name)
