import json
import subprocess
import sys

import pytest

from gym_cards.play.__main__ import find_id, main, parse_argument

pygame = pytest.importorskip("pygame")


def close_at_once():
    pygame.display.init()
    pygame.event.post(pygame.event.Event(pygame.QUIT))


def test_games_are_found_by_name_or_id():
    assert find_id("Points24") == "gym_cards/Points24-v0"
    assert find_id("blackjack") == "gym_cards/Blackjack-v0"
    assert find_id("gym_cards/EZPoints-v0") == "gym_cards/EZPoints-v0"
    assert find_id("package:games/Chess-v3") == "package:games/Chess-v3"
    with pytest.raises(ValueError, match=r"no game 'Chess': .*Blackjack, .*Points24"):
        find_id("Chess")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=36", 36),
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=False", False),
        ("a=None", None),
        ("a=[1, 2]", [1, 2]),
        ('a="36"', "36"),
        ("a=exact", "exact"),
        ("a=b=c", "b=c"),
    ],
)
def test_arguments_are_plain_values(word, value):
    name, parsed = parse_argument(word)
    assert name == "a"
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Chess"], "no game 'Chess'"),
        (["no_such_package:foo/Bar-v0"], "No module named 'no_such_package'"),
        (["Points24", "36"], "'36' is not an argument: expected name=value"),
        (["Points24", "target=36"], "cannot be made with"),
        (["NumberLine", "max_position=1"], "max_position=1"),
        (["NumberLine", "--record", "/nowhere/at/all"], "/nowhere/at/all"),
        (["NumberLine", "--scale", "0"], "--scale 0.0: expected a number above 0"),
    ],
)
def test_mistakes_are_told_in_a_line(words, message, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("gym_cards.play: ")
    assert "Traceback" not in error


def test_a_missing_pygame_is_told_in_a_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main(["NumberLine"]) == 1
    assert 'pip install "gym-cards[human]"' in capsys.readouterr().err


def test_the_command_opens_and_closes_a_window(tmp_path, capsys):
    close_at_once()
    path = tmp_path / "episodes.jsonl"
    assert main(["Points24", "target_points=36", "--seed", "3", "--record", str(path)]) == 0
    assert path.read_text() == ""
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [[], ["--hide-state"]], ids=str)
def test_a_recording_says_whether_the_state_was_hidden(words, tmp_path):
    pygame.display.init()
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_PLUS, unicode="+", mod=0))
    close_at_once()
    path = tmp_path / "episodes.jsonl"
    assert main(["Points24", "--seed", "3", "--record", str(path), *words]) == 0
    episode = json.loads(path.read_text())
    assert episode["state_hidden"] is bool(words)
    assert [step["name"] for step in episode["steps"]] == ["+"]


def test_it_is_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "gym_cards.play", "--help"], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "--record FILE" in result.stdout


def test_pygame_does_not_greet():
    code = "from gym_cards.core.window import load_pygame; load_pygame('this is tested')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
