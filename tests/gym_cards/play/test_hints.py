import re

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.play.hints import advice

GAMES = {
    spec.entry_point: spec.name
    for spec in reversed(gym.registry.values())
    if spec.namespace == "gym_cards" and spec.name != "ALFWorld"
}


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "current 0, target 4, so I add 1",
            "You are at 0 and have to get to 4, so add 1.",
        ),
        (
            "hard 9 against 4, so I hit",
            "You have 9 (no ace in it counts 11) against the dealer's 4, so hit.",
        ),
        (
            "soft 17 against A, so I stand",
            "You have 17 (an ace in it counts 11) against the dealer's A, so stand.",
        ),
        (
            "sorted 2 4 10, rest 10+4*2=",
            "The cards count 2, 4 and 10, and the formula can continue with “10+4*2=”.",
        ),
        (
            "sorted 2 3 7 8, 3+7=10 2 8 10 no, 8-2=6 3 6 7, 7-3=4 4 6, 4*6=24, rest (8-2)*(7-3)=",
            "The cards count 2, 3, 7 and 8: 3+7=10 leaves 2, 8 and 10, which leads nowhere; 8-2=6 "
            "leaves 3, 6 and 7; 7-3=4 leaves 4 and 6; 4*6=24; so the formula can be "
            "“(8-2)*(7-3)=”.",
        ),
        (
            "sorted 2 4 10, rest =",
            "Nothing is left to add that leads to the target, so end the formula with “=”.",
        ),
        (
            "I need a mug, and mug 1 is in or on cabinet 2. cabinet 2 is closed, so I open it.",
            "You need a mug, and mug 1 is in or on cabinet 2. Cabinet 2 is closed, so open it.",
        ),
        (
            "I need a mug, but I have looked everywhere, so I look around again.",
            "You need a mug, but you have looked everywhere, so look around again.",
        ),
        ("my hand is free", "Your hand is free."),
        ("", ""),
    ],
)
def test_reasons_are_told_to_the_player(reason, told):
    assert advice(reason) == told


@pytest.mark.parametrize("name", GAMES.values())
def test_hints_of_every_game_are_sentences_for_a_person(name, make_session):
    session = make_session(name, seed=3, size=150)
    for _ in range(20):
        if session.finished:
            return
        session.ask()
        reason = session.hint.reason
        assert reason[0].isupper() or reason[0].isdigit(), reason
        assert reason[-1] in ".!?"
        assert not re.search(r"\b(I|my|me)\b", reason), reason
        session.play(next(c for c in session.choices if c.name == session.hint.name))
