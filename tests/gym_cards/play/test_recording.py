import json

import gymnasium as gym
import pytest

from gym_cards.play.recording import Recorder


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "name",
    [
        "NumberLine",
        "EZPoints",
        "Points24",
        "Blackjack",
        "Corridor",
        pytest.param("ALFWorld", marks=pytest.mark.slow),
    ],
)
def test_a_recorded_episode_can_be_played_again(name, make_session, play, tmp_path):
    path = tmp_path / "episodes.jsonl"
    session = make_session(name, seed=5, recorder=Recorder(path))
    for _ in range(2):
        while not session.finished:
            session.ask()
            play(session, session.hint.name)
        session.new()
    for episode, seed in zip(lines(path), (5, 6), strict=True):
        assert (episode["format"], episode["version"]) == ("gym-cards-episode", 1)
        assert (episode["kwargs"], episode["seed"]) == ({}, seed)
        env = gym.make(episode["env"], render_mode="rgb_array", **episode["kwargs"])
        _, info = env.reset(seed=episode["seed"])
        names = env.get_wrapper_attr("action_names")
        for step in episode["steps"]:
            assert step["state"] == info["state"]
            assert step["name"] == (names[step["action"]] if names else step["action"])
            _, reward, terminated, truncated, info = env.step(step["action"])
            assert step["reward"] == reward
        assert (episode["terminated"], episode["truncated"]) == (terminated, truncated)
        assert episode["success"] == info["is_success"]


def test_variants_are_recorded(make_session, play, tmp_path):
    path = tmp_path / "episodes.jsonl"
    session = make_session("Points24", recorder=Recorder(path), target_points=36)
    play(session, "=")
    assert lines(path)[0]["kwargs"] == {"target_points": 36}


def test_each_episode_is_on_the_disk_when_it_is_over(make_session, play, tmp_path):
    path = tmp_path / "episodes.jsonl"
    session = make_session("Points24", recorder=Recorder(path))
    play(session, "+")
    assert path.read_text() == ""
    play(session, "=")
    assert len(lines(path)) == 1
    session.close()
    assert len(lines(path)) == 1


def test_an_episode_broken_off_is_kept_as_such(make_session, play, tmp_path):
    path = tmp_path / "episodes.jsonl"
    session = make_session("Points24", recorder=Recorder(path))
    session.new()
    assert path.read_text() == "", "nothing was played"
    play(session, "+")
    session.new()
    play(session, "-")
    session.close()
    first, second = lines(path)
    assert not any(e[key] for e in (first, second) for key in ("terminated", "truncated"))
    assert [e["steps"][0]["name"] for e in (first, second)] == ["+", "-"]
    assert [e["seed"] for e in (first, second)] == [1, 2]


def test_what_a_file_holds_stays_and_half_a_line_spoils_no_other(make_session, play, tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text('{"format": "gym-cards-episode", "ver')
    play(make_session("Points24", recorder=Recorder(path)), "=")
    play(make_session("Points24", recorder=Recorder(path)), "=")
    torn, *whole = path.read_text().splitlines()
    assert torn == '{"format": "gym-cards-episode", "ver'
    assert [json.loads(line)["version"] for line in whole] == [1, 1]


def test_a_file_that_cannot_be_written_is_known_at_once(tmp_path):
    with pytest.raises(OSError, match="missing"):
        Recorder(tmp_path / "missing" / "episodes.jsonl")
