import pytest

from gym_cards.play.drawing.words import condensed, points


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("a bed 3, a bed 2, a bed 1, and a desk 1", "bed 1 to 3, and a desk 1"),
        ("a desk 1, a bed 2, and a bed 1", "a desk 1, a bed 2, and a bed 1"),
        ("a bed 4, a bed 2, and a bed 1", "a bed 4, a bed 2, and a bed 1"),
        ("you see a bed 12, a bed 11, and a bed 10.", "you see bed 10 to 12."),
        ("You see a mug 1.", "You see a mug 1."),
    ],
)
def test_long_enumerations_are_told_shorter(text, shorter):
    assert condensed(text) == shorter


@pytest.mark.parametrize(
    ("value", "text"), [(10, "+10"), (-1, "−1"), (0, "0"), (1.5, "+1.5"), (0.333333, "+0.33")]
)
def test_rewards_have_a_sign(value, text):
    assert points(value) == text
