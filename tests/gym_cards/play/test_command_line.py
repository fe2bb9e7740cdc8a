import pytest

from gym_cards.play.command_line import CommandLine

COMMANDS = ["go to shelf 1", "go to shelf 12", "go to bed 1", "take mug 2 from shelf 1", "look"]


@pytest.fixture
def typed():
    """A line with a text in it."""

    def make(text):
        line = CommandLine()
        for character in text:
            line.type(character)
        return line

    return make


def test_what_begins_with_the_text_comes_before_what_holds_it(typed):
    assert typed("").matches(COMMANDS) == COMMANDS
    assert typed("go to s").matches(COMMANDS) == COMMANDS[:2]
    assert typed("shelf 1").matches(COMMANDS) == [*COMMANDS[:2], COMMANDS[3]]
    assert typed("mug shelf").matches(COMMANDS) == [COMMANDS[3]]
    assert typed("LO").matches(COMMANDS) == ["look"]
    assert typed("sing").matches(COMMANDS) == []


def test_words_in_their_order_come_first(typed):
    moves = ["column 3 to column 4", "column 4 to column 3"]
    assert typed("4 3").matches(moves) == moves[::-1]
    assert typed("3 4").matches(moves) == moves


def test_enter_gives_what_was_typed_or_the_chosen_match(typed):
    assert typed("go to shelf 1").command(COMMANDS) == "go to shelf 1"
    assert typed("go to shelf 12").command(COMMANDS) == "go to shelf 12"
    assert typed("mug").command(COMMANDS) == COMMANDS[3]
    assert typed("sing").command(COMMANDS) is None
    line = typed("go")
    line.move(1, COMMANDS)
    assert line.command(COMMANDS) == "go to shelf 12"
    line.move(9, COMMANDS)
    assert line.command(COMMANDS) == "go to bed 1"
    line.move(-9, COMMANDS)
    assert line.command(COMMANDS) == "go to shelf 1"


def test_tab_completes_what_the_matches_share(typed):
    line = typed("g")
    line.complete(COMMANDS)
    assert line.text == "go to "
    line.type("s")
    line.complete(COMMANDS)
    assert line.text == "go to shelf 1"
    line = typed("mug")
    line.complete(COMMANDS)
    assert line.text == COMMANDS[3]
    line = typed("sing")
    line.complete(COMMANDS)
    assert line.text == "sing"


def test_the_rest_of_the_chosen_match_is_shown(typed):
    assert typed("lo").completion(COMMANDS) == "ok"
    assert typed("mug").completion(COMMANDS) == ""
    assert typed("").completion(COMMANDS) == ""
    assert typed("sing").completion(COMMANDS) == ""


def test_erasing(typed):
    line = typed("go to bed")
    line.erase()
    assert line.text == "go to be"
    line.erase(word=True)
    assert line.text == "go to"
    line.move(1, COMMANDS)
    line.clear()
    assert (line.text, line.chosen) == ("", 0)
