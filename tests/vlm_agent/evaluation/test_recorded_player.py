import json

import pytest

from tests.vlm_agent.data.test_recordings import episode
from vlm_agent.cli.main import main
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.data.recordings import RecordingError
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.recorded_player import RecordedPlayer

POINTS = "gym_cards/EZPoints-v0"


@pytest.fixture
def write(tmp_path):
    def write(*episodes):
        path = tmp_path / "episodes.jsonl"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in episodes))
        return path

    return write


def test_a_recording_is_played_as_it_was_and_says_that_its_episodes_are_its_own(write):
    path = write(
        episode("EZPoints", 3),
        episode("EZPoints", 4, moves=["="]),
        episode("EZPoints", 5, moves=["+", "+"]),  # broken off
        episode("NumberLine", 6),
        episode("EZPoints", 7, target_points=14),
        episode("EZPoints", 8, moves=["+", "="]),
    )
    player = RecordedPlayer(path)
    with pytest.warns(UserWarning, match="skipping 1 unfinished episodes of gym_cards/EZPoints-v0"):
        record = evaluate(player, POINTS, episodes=50, num_envs=2, regret=True)
    assert record.episodes == 3
    assert record.seed is None
    assert record.success_rate == pytest.approx(1 / 3)
    assert record.mean_return == pytest.approx((10 - 1 - 1) / 3)
    assert record.regret_per_episode == pytest.approx((0 + 11 + 11) / 3)
    assert record.illegal_rate == 0
    assert record.seconds_per_step is None
    with pytest.warns(UserWarning, match="unfinished episodes"):
        assert evaluate(player, POINTS, episodes=2).episodes == 2
    other = evaluate(player, POINTS, env_kwargs={"target_points": 14})
    assert (other.episodes, other.env_kwargs) == (1, {"target_points": 14})


def test_a_recording_that_holds_the_evaluations_episodes_is_compared_on_them(write):
    seeds = episode_seeds("evaluation", 2, 4)
    path = write(*(episode("NumberLine", seed) for seed in (11, *reversed(seeds))))
    env = "gym_cards/NumberLine-v0"
    person = evaluate(RecordedPlayer(path), env, episodes=4, seed=2)
    expert = evaluate("expert", env, episodes=4, seed=2)
    assert person.seed == 2
    assert person.mean_length == expert.mean_length
    assert (
        evaluate(RecordedPlayer(path), "gym_cards/NumberLine-v0", episodes=5, seed=2).seed is None
    )


def test_a_file_without_a_whole_episode_of_the_environment_is_an_error(write):
    path = write(episode("EZPoints", 5, moves=["+"]), episode("NumberLine", 6))
    with pytest.raises(
        RecordingError, match=r"no finished episode of .*EZPoints-v0 .* 1 unfinished"
    ):
        evaluate(RecordedPlayer(path), POINTS)
    with pytest.raises(RecordingError, match=r"are of: gym_cards/EZPoints-v0, gym_cards/NumberLi"):
        evaluate(RecordedPlayer(path), "gym_cards/Blackjack-v0")


def test_an_environment_that_plays_otherwise_is_an_error(write):
    one = episode("EZPoints", 3)
    with pytest.raises(RecordingError, match="the environment shows"):
        evaluate(RecordedPlayer(write({**one, "seed": 4})), POINTS)
    with pytest.raises(RecordingError, match="continues after its last recorded step"):
        evaluate(RecordedPlayer(write({**one, "steps": one["steps"][:-1]})), POINTS)


def test_the_command_plays_recordings_and_writes_a_table_that_says_so(write, tmp_path, capsys):
    path = write(episode("EZPoints", 3), episode("EZPoints", 4, moves=["="]))
    table, picture = tmp_path / "table.md", tmp_path / "success.svg"
    words = ["eval", "--policy", f"recording:{path}", "random", "--env", POINTS, "--episodes", "2"]
    assert main([*words, "--markdown", str(table), "--plot", str(picture)]) == 0
    assert "* chose its own episodes" in capsys.readouterr().out
    head, rule, person, dice, *_ = table.read_text().splitlines()
    assert head.count("|") == rule.count("|") == person.count("|") == dice.count("|")
    assert person.startswith(f"| recording:{path} | {POINTS} | 2* | 50.0% [9.5%, 90.5%] |")
    assert dice.startswith(f"| random | {POINTS} | 2 | 0.0% [0.0%, 65.8%] |")
    assert "regret" not in head
    assert picture.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "recording:/no/such/file"], "/no/such/file"),
        (["--policy", "random", "--plot", "success.txt"], "ends in one of"),
        (["--policy", "random", "--markdown", "/no/such/place/x.md"], "no directory for"),
    ],
)
def test_mistakes_are_known_before_anything_is_played(words, message, capsys):
    assert main(["eval", "--env", POINTS, *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "it/s" not in error


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.jsonl: expected .*--record FILE"):
        RecordedPlayer(str(tmp_path / "none.jsonl"))
