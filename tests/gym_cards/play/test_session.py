import gymnasium as gym
import numpy as np
import pytest

from gym_cards.play.session import Game, Session


def legal(session):
    return [choice.name for choice in session.choices if choice.legal]


def test_a_session_plays_the_environment_of_its_seed(make_session, play):
    session = make_session("Points24", seed=3)
    env = gym.make("gym_cards/Points24-v0")
    picture, info = env.reset(seed=3)
    for name in [*info["state"]["cards"].replace("K", "10").split()[:2], "+"]:
        assert np.array_equal(session.picture, picture)
        assert session.state == info["state"]
        play(session, name)
        names = env.get_wrapper_attr("action_names")
        picture, reward, *_, info = env.step(names.index(name))
        assert session.moves[-1][:2] == (name, reward)
    assert np.array_equal(session.picture, picture)


def test_refused_numbers_are_no_legal_choices(make_session, play):
    session = make_session("Points24", seed=3)
    assert session.state["cards"] == "4 5 10 K"
    assert legal(session) == ["4", "5", "10", "+", "-", "*", "/", "(", ")", "="]
    play(session, "4")
    assert legal(session) == ["5", "10", "+", "-", "*", "/", "(", ")", "="]
    with pytest.raises(ValueError, match="cannot be played now"):
        play(session, "4")
    assert [move.name for move in session.moves] == ["4"]


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
    assert session.opening.reason.startswith("sorted")


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


def test_a_game_without_an_expert_has_no_hints(make_session):
    assert make_session("NumberLine").has_hints
    gym.register("play/Mute-v0", lambda **kwargs: Mute(**kwargs))
    try:
        mute = Session(Game("play/Mute-v0"))
    finally:
        del gym.registry["play/Mute-v0"]
    mute.ask()
    assert (mute.has_hints, mute.hint, mute.opening) == (False, None, None)


class Mute(gym.Env):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    task_description, action_names = "Go.", ("left", "right")
    observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        return 0, {"state": {"place": "0"}, "is_success": False}

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)


def test_mistakes_are_clear_errors():
    with pytest.raises(ValueError, match=r"task_description and action_names"):
        Session(Game("CartPole-v1"))
    with pytest.raises(ValueError, match=r"cannot be made with \{'suits': 3\}"):
        Session(Game("gym_cards/NumberLine-v0", {"suits": 3}))
    with pytest.raises(ValueError, match="max_position=1"):
        Session(Game("gym_cards/NumberLine-v0", {"max_position": 1}))
