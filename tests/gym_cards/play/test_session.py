import json
import re

import gymnasium as gym
import numpy as np
import pytest

from gym_cards.core.action_values import ActionValues, IntractableError
from gym_cards.play.drawing.view import _verdict
from gym_cards.play.recording import Recorder
from gym_cards.play.session import LARGE, Game, Session, by_use


def legal(session):
    return [choice.name for choice in session.choices if choice.legal]


def cards(session):
    return session.state["cards"].split()


def test_a_session_plays_the_environment_of_its_seed(make_session, play):
    session = make_session("Points24", seed=3)
    env = gym.make("gym_cards/Points24-v0", size=LARGE)
    picture, info = env.reset(seed=3)
    for name in [str(info["Numbers"][0]), "+", str(info["Numbers"][1])]:
        assert np.array_equal(session.picture, picture)
        assert session.state == info["state"]
        play(session, name)
        names = env.get_wrapper_attr("action_names")
        picture, reward, *_, info = env.step(names.index(name))
        assert session.moves[-1][:2] == (name, reward)
    assert np.array_equal(session.picture, picture)


def test_refused_numbers_are_no_legal_choices(make_session, play):
    session = make_session("Points24", seed=3)
    signs = ["+", "-", "*", "/", "(", ")", "="]
    numbers = sorted(min("A234567891JQK".index(card[0]) + 1, 10) for card in cards(session))
    assert legal(session) == [*map(str, sorted(set(numbers))), *signs]
    play(session, str(numbers[0]))
    assert legal(session) == [*map(str, sorted(set(numbers[1:]))), *signs]
    refused = next(choice for choice in session.choices if not choice.legal)
    with pytest.raises(ValueError, match="cannot be played now"):
        session.play(refused)
    assert [move.name for move in session.moves] == [str(numbers[0])]


def test_the_score_counts_episodes_that_ended(make_session, play):
    session = make_session("NumberLine", seed=0)
    assert (session.score.rate, session.score.mean_return) == (None, None)
    for _ in range(3):
        while not session.finished:
            session.ask()
            play(session, session.hint.name)
            assert session.hint is None, "a hint is for one move"
        session.new()
    current, target = map(int, session.state.values())
    play(session, "-" if current < target else "+")
    session.new()
    score = session.score
    assert (score.episodes, score.wins, score.rate, score.mean_return) == (3, 3, 1.0, 1.0)
    assert session.seed == 4


def test_an_episode_that_is_over_takes_no_move(make_session, play):
    session = make_session("Points24")
    play(session, "=")
    assert (session.finished, session.won, session.truncated) == (True, False, False)
    with pytest.raises(ValueError, match="cannot be played now"):
        play(session, "+")
    session.ask()
    assert session.hint is None
    assert session.opening.reason.startswith("The cards count")


def test_blackjack_shows_the_dealers_hand_at_the_end(make_session, play):
    session = make_session("Blackjack", seed=3)
    assert len(session.dealer) == 1
    play(session, "stand")
    assert len(session.dealer) > 1
    assert make_session("NumberLine").dealer is None


def test_a_game_in_words(make_session, play):
    session = make_session("Corridor", seed=1)
    assert session.is_textual
    assert session.goal == "find the lamp"
    assert "go to room 7" in legal(session)
    play(session, "go to room 7")
    assert "go to room 7" not in legal(session)
    assert session.text == session.moves[-1].answer == "You are in room 7."
    session.ask()
    play(session, session.hint.name)
    assert session.won


@pytest.mark.parametrize("name", ["Points24", "Blackjack", "Corridor", "Many"])
def test_a_hidden_state_is_told_in_no_way(name, make_session, play, tmp_path):
    recorder = Recorder(tmp_path / "episodes.jsonl")
    seen = make_session(name, seed=3)
    session = make_session(name, seed=3, hide_state=True, recorder=recorder)
    assert (session.state, session.text, session.dealer, session.opening) == ({}, None, None, None)
    assert all(choice.legal for choice in session.choices)
    assert [choice.name for choice in session.choices] == [choice.name for choice in seen.choices]
    assert not session.has_hints
    session.ask()
    assert session.hint is None
    assert (session.goal, session.rules) == (seen.goal, seen.rules)
    assert np.array_equal(session.picture, seen.picture)
    play(session, session.choices[0].name)
    assert session.moves[0].answer == ""
    session.close()
    (episode,) = map(json.loads, recorder.path.read_text().splitlines())
    assert episode["state_hidden"] is True
    assert episode["steps"][0]["state"], "the recording is of use as any other"


def test_hidden_moves_may_be_refused_as_an_agents(make_session, play):
    """Which numbers are on the cards is for the player to see."""
    session = make_session("Points24", seed=3, hide_state=True)
    refused = next(
        choice.name for choice in make_session("Points24", seed=3).choices if not choice.legal
    )
    play(session, refused)
    assert session.moves[0].reward == -1


def test_a_draw_is_one_without_the_state_as_well(make_session, play):
    for seed in range(60):
        session = make_session("Blackjack", seed=seed, hide_state=True, size=84)
        play(session, "stand")
        if session.total == 0:
            assert _verdict(session) == "A draw"
            return
    pytest.fail("no seed gives a draw")


def test_a_bet_that_is_paid_back_is_no_loss(make_session, play):
    """Jacks and better return the stake."""
    for seed in range(60):
        session = make_session("VideoPoker", seed=seed, size=84)
        play(session, "hold all")
        if session.total == 0:
            assert _verdict(session) == "A draw"
            return
    pytest.fail("no seed pays the bet back")


def test_hints_in_the_household_name_nothing_unseen(make_session, play):
    """Every numbered thing in a hint was shown before; the expert who knows all is not asked."""
    for seed in range(2):
        session = make_session("ALFWorld", seed=seed, size=150)
        shown = set()
        kinds = re.compile(r"\b([a-z]+ \d+)\b")
        for _ in range(12):
            if session.finished:
                break
            furniture = {name for choice in session.choices for name in kinds.findall(choice.name)}
            shown |= set(kinds.findall(" ".join(session.state.values()))) | furniture
            session.ask()
            assert set(kinds.findall(session.hint.reason)) <= shown
            play(session, session.hint.name)


def test_moves_that_are_refused_are_not_listed(make_session):
    session = make_session("Many", seed=3)
    assert session.is_typed
    assert not session.is_textual
    assert len(session.choices) == 60
    assert session.commands == [choice.name for choice in session.choices if choice.legal]
    assert len(session.commands) == 9
    assert len(make_session("Many", hide_state=True).commands) == 60
    assert not make_session("Points24").is_typed


def test_a_game_without_an_expert_has_no_hints(make_session, register):
    assert make_session("NumberLine").has_hints
    mute = Session(register(Mute))
    mute.ask()
    assert (mute.has_hints, mute.hint, mute.opening) == (False, None, None)


@pytest.fixture
def register():
    """Registers an environment for one test."""
    yield lambda env: gym.register("play/Test-v0", env) or Game("play/Test-v0")
    del gym.registry["play/Test-v0"]


class Mute(gym.Env):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    task_description, action_names = "Go.", ("left", "right")
    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(4))
        return 0, self._info()

    def step(self, action):
        self.place += 2 * action - 1
        return 0, 0.0, False, False, self._info()

    def render(self):
        return np.full((8, 8, 3), 9 + self.place, np.uint8)

    def _info(self):
        return {"state": {"place": str(self.place)}, "is_success": False}


class Board(Mute):
    """Its size is no matter of the eye."""

    def __init__(self, render_mode=None, size=4):
        super().__init__(render_mode)
        self.size = size


def test_only_games_of_the_package_are_drawn_large(register, monkeypatch):
    assert Session(register(Board)).picture.shape == (8, 8, 3)
    made = []
    real = gym.make

    def make(env_id, **kwargs):
        made.append(kwargs.pop("size", None))
        return real(env_id, **kwargs)

    monkeypatch.setattr(gym, "make", make)
    session = Session(Game("gym_cards/NumberLine-v0"))
    Session(Game("gym_cards/NumberLine-v0", {"size": 150}))
    assert made == [LARGE, 150]
    assert session.game.kwargs == {}


def test_commands_are_sorted_by_their_numbers(make_session):
    names = legal(make_session("Corridor"))
    assert names == [f"go to room {room}" for room in range(1, 31)]


def test_what_can_be_done_here_comes_first():
    commands = ["go to bed 1", "look", "go to desk 1", "take mug 10 from bed 1", "take mug 2"]
    assert sorted(commands, key=by_use) == [
        "look",
        "take mug 2",
        "take mug 10 from bed 1",
        "go to bed 1",
        "go to desk 1",
    ]


def test_greetings_and_the_goal_are_not_told_twice(register):
    class Polite(Mute):
        def _info(self):
            text = "-= Welcome! =-\n\nYou are in a room.\n\nYour task is to: go."
            return {**super()._info(), "observation_text": text}

    assert Session(register(Polite)).text == "You are in a room."


class Known(Mute):
    """Has a dealer, and knows the chance of success; not everywhere."""

    def _info(self):
        return {**super()._info(), "Dealer Card": [(10, "K", "S")]}

    def expert(self):
        return 1, "it is right"

    def exact(self):
        if self.place < 0:
            raise IntractableError("too far left")
        return ActionValues((0.0, 1.0), 0.25)


def test_hints_tell_the_chance_of_success_where_it_is_known(register, play):
    session = Session(register(Known))
    session.ask()
    assert session.hint == ("right", "It is right.", 0.25)
    for _ in range(4):
        play(session, "left")
    session.ask()
    assert session.hint == ("right", "It is right.", None)


def test_games_without_chance_tell_none(make_session):
    session = make_session("Points24")
    session.ask()
    assert session.hint.chance is None


def test_mistakes_are_clear_errors():
    with pytest.raises(ValueError, match=r"task_description and action_names"):
        Session(Game("CartPole-v1"))
    with pytest.raises(ValueError, match=r"cannot be made with \{'suits': 3\}"):
        Session(Game("gym_cards/NumberLine-v0", {"suits": 3}))
    with pytest.raises(ValueError, match="max_position=1"):
        Session(Game("gym_cards/NumberLine-v0", {"max_position": 1}))


def test_actions_may_be_counted_from_any_number(tmp_path):
    class Shifted(gym.Env):
        metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
        task_description, action_names = "Go right.", ("left", "right")
        action_space = gym.spaces.Discrete(2, start=3)
        observation_space = gym.spaces.Box(0, 255, (20, 20, 3), np.uint8)

        def __init__(self, render_mode=None):
            self.render_mode = render_mode

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.render(), {"state": {}, "is_success": False}

        def step(self, action):
            assert self.action_space.contains(action)
            return self.render(), 0.0, True, False, {"state": {}, "is_success": action == 4}

        def render(self):
            return np.zeros((20, 20, 3), np.uint8)

        def expert(self):
            return 4, "right is right"

    gym.register("stranger/Shifted-v0", Shifted)
    try:
        session = Session(Game("stranger/Shifted-v0"))
        session.ask()
        assert session.hint.name == "right"
        session.play(session.choices[1])
        assert session.won
        session.close()
    finally:
        del gym.registry["stranger/Shifted-v0"]
