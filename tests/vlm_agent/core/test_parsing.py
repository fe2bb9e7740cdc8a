import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_cards.freecell.rules import Size, names_of
from gym_cards.video_poker.env import ACTION_NAMES as HOLDS
from vlm_agent.core.parsing import find_fields, parse, same_value

POINTS = (*(str(n) for n in range(1, 11)), "+", "-", "*", "/", "(", ")", "=")
NAMES = {
    "gym_cards/NumberLine-v0": ("-", "+"),
    "gym_cards/EZPoints-v0": (*(str(n) for n in range(1, 11)), "+", "*", "="),
    "gym_cards/Points24-v0": POINTS,
    "gym_cards/Blackjack-v0": ("stand", "hit"),
}
PUBLISHED = json.loads((Path(__file__).parents[2] / "conformance" / "parsing.json").read_text())


@pytest.mark.parametrize("record", PUBLISHED, ids=range(len(PUBLISHED)))
def test_published_rule_agrees_with_every_record(record):
    parsed = parse(record["text"], NAMES[record["env"]], rule="published")
    assert parsed.action == record["action"]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ('{"thoughts": "so", "action": "+"}', "+"),
        ('```json\n{\n"thoughts": "so",\n"action": "+"\n}\n```', "+"),
        ('Sure, here it is: {"action": "hit"} Good luck!', "hit"),
        ('{"action" : "hit"', "hit"),
        ('{"action": "hi', None),
        ('{"action": "10', "10"),
        ("{'action': 'hit'}", "hit"),
        ("{'cards': ['K', '2'], 'action': '*'}", "*"),
        ("{action: hit}", "hit"),
        ('"action": hit', "hit"),
        ('{"Action": " HIT "}', "hit"),
        ('{"action": 10}', "10"),
        ('{"action": "the number 10"}', "10"),
        ('{"action": "hit."}', "hit"),
        ('{"action": "10"}', "10"),
        ('{"action": "1"}', "1"),
        ('{"action": "11"}', None),
        ('{"action": "hit or stand"}', None),
        ('{"action": "/" or "*"}', None),
        ('{"action": "/" "action": "10"}', "10"),
        ('{"action": "stand", "why": "not hit"}', "stand"),
        ('{"action": "stand"} or rather {"action": "hit"}', "hit"),
        ('{"thoughts": "the \\"action\\": \\"hit\\" is bad", "action": "stand"}', "stand"),
        ('{"thoughts": "the \\"action\\": \\"hit\\" is bad"}', None),
        ('{"thoughts": {"action": "hit"}}', None),
        ('{"thoughts": {"action": "hit"}, "action": "stand"}', "stand"),
        ("I would hit.", None),
        ("First, action: hit", None),
        ("hit", None),
        ("", None),
        ('{"action": null}', None),
        ('{"action": ""}', None),
        ('{"action": "well-known"}', None),
        ('{"action": "1,000"}', None),
        ('{"action": "1.5e3"}', None),
        ('{"action": "1, then 1"}', "1"),
        ('{"action": "1, then 2"}', None),
        ('{"action": "**"}', None),
        ('{"action": "\\u002b"}', "+"),
    ],
)
def test_json_rule(text, action):
    names = (*POINTS, "stand", "hit")
    assert parse(text, names).action == (None if action is None else names.index(action))


@pytest.mark.parametrize(
    "value",
    [
        "do not hit", "don't hit", "don’t hit", "dont hit", "never hit", "NOT hit", "no hit",
        "hit? no", "Do not, under any circumstances, hit.", "I won't hit", "I cannot hit",
        "avoid hit", "avoiding hit", "I refuse to hit", "without hit", "instead of hit",
        "anything but hit", "wait rather than hit", "neither hit nor this",
    ],
)  # fmt: skip
def test_an_action_that_a_reply_denies_is_not_played(value):
    names = ("stand", "hit")
    text = json.dumps({"thoughts": "so", "action": value})
    assert parse(text, names).action is None
    assert parse(text.replace("hit", "stand"), names).action is None


@pytest.mark.parametrize(
    "value",
    [
        "stand (no more cards)", "stand, I am not below 17", "stand because I cannot risk it",
        "stand; no doubt", "I stand.",
    ],
)  # fmt: skip
def test_a_reason_after_the_action_may_deny_something(value):
    text = json.dumps({"thoughts": "I should not hit", "action": value})
    assert parse(text, ("stand", "hit")).action == 0


@pytest.mark.parametrize(
    ("value", "action"),
    [
        ("no", "no"),
        ("The answer is no.", "no"),
        ("never mind", "never mind"),
        ("I never mind", "never mind"),
        ("take the do not disturb sign 1", "take the do not disturb sign 1"),
        ("I take the do not disturb sign 1.", "take the do not disturb sign 1"),
        ("do not take the do not disturb sign 1", None),
        ("go to shelf 1 rather than wait", "go to shelf 1"),
        ("instead of waiting, go to shelf 1", "go to shelf 1"),
        ("untie the knot 1 now", "untie the knot 1"),
        ("I notice it and untie the knot 1", "untie the knot 1"),
        ("no, no", "no"),
        ("no. 3", "3"),
    ],
)
def test_words_that_deny_may_be_part_of_an_action(value, action):
    names = (
        "no", "never mind", "take the do not disturb sign 1", "go to shelf 1", "untie the knot 1",
    )  # fmt: skip
    names = ("3",) if action == "3" else names
    found = parse(json.dumps({"action": value}), names).action
    assert found == (None if action is None else names.index(action))


@pytest.mark.parametrize("rule", ["json", "published"])
def test_holds_are_read_as_they_are_named_or_not_at_all(rule):
    """A list that is written in another way must not be read as its beginning."""
    for index, name in enumerate(HOLDS):
        assert parse(f'{{"action": "{name}"}}', HOLDS, rule).action == index
        assert parse(f'{{"action": "So I {name}."}}', HOLDS, rule).action == index
    for text in ("hold 1, 3", "hold 1 and 3 only", "hold 3 1 only", "hold 1 2 3 4 5 only"):
        assert parse(f'{{"action": "{text}"}}', HOLDS, rule).action is None


def test_the_longest_command_on_word_boundaries_is_played():
    commands = ("go to shelf 1", "go to shelf 12", "look")
    reply = '{"thoughts": "look around, go to shelf 1 first", "action": "%s"}'
    assert parse(reply % "go to shelf 12", commands).action == 1
    assert parse(reply % "I will go to shelf 12 now", commands).action == 1
    assert parse(reply % "go to shelf 12", ("go to shelf 1", "look")).action is None


def test_the_action_part_starts_at_the_last_top_level_key():
    text = '{"thoughts": "my \\"action\\": is", "action": "+"}'
    assert text[parse(text, ("+",)).action_start :] == '"action": "+"}'
    assert parse('{"thoughts": "no', ("+",)).action_start is None


def test_state_fields_are_read_out():
    text = '{"cards": [6, "8", K], "current formula": "(6*", "action": "1"}'
    for rule in ("json", "published"):
        read = parse(text, ("1",), rule).fields
        assert read == {"cards": "6 8 K", "current formula": "(6*", "action": "1"}
    assert same_value(' "9  a" ', "9 A")
    assert not same_value("9 A", "9 K")


def test_unknown_rule():
    with pytest.raises(ValueError, match="'xml'.*'json' or 'published'"):
        parse("", ("+",), rule="xml")


@given(st.text(alphabet="{}[]:,\"'\\\n action+-1é"))
def test_no_text_raises(text):
    for rule in ("json", "published"):
        parsed = parse(text, ("+", "-", "1"), rule=rule)
        assert parsed.action in (None, 0, 1, 2)
    assert all(text[field.start :] for field in find_fields(text))


@pytest.mark.parametrize("piece", ["1 ", "10 ", "x", "1,", "+ "])
def test_megabytes_in_a_value_are_read_in_one_pass(piece):
    names = ("1", "10", "+", "1 1 1 1 1 1 1 1")
    text = '{"action": "' + piece * 300_000 + '"}'
    assert parse(text, names).action in (None, *range(len(names)))


def test_a_name_inside_a_longer_one_does_not_count():
    names = ("a b", "b c d", "b")
    assert parse('{"action": "so a b, yes"}', names).action == 0
    assert parse('{"action": "so b c d, yes"}', names).action == 1
    assert parse('{"action": "so a b c d, yes"}', names).action is None


@pytest.mark.parametrize("piece", ["{", "[", "]", '"', "'", '"a":', "{a:", "\\", '"a":{', ",'"])
def test_megabytes_are_read_in_one_pass(piece):
    # A parser that is not linear would stay here for hours.
    assert parse(piece * 300_000, ("+", "-")).action is None


@pytest.mark.parametrize("shelf", [1, 2, 12])
@pytest.mark.parametrize(
    "reply", ["go to shelf {}", "I will go to shelf {}.", "Go to shelf {}, now"]
)
def test_the_longest_command_counts_and_no_part_of_a_number(shelf, reply):
    commands = ["go to shelf 1", "go to shelf 12", "go to shelf 2", "look"]
    text = json.dumps({"thoughts": "go to shelf 1", "action": reply.format(shelf)})
    assert parse(text, commands).action == commands.index(f"go to shelf {shelf}")
    assert parse(text, commands[:1]).action == (0 if shelf == 1 else None)


def test_moves_between_places_are_told_apart():
    names = names_of(Size(suits=4, ranks=13, columns=8, cells=4))
    for index, name in enumerate(names):
        for value in (name, name.upper(), f"I move {name}."):
            assert parse(json.dumps({"action": value}), names).action == index
