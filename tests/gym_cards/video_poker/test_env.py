"""Deals, draws, rewards and pictures of VideoPoker."""

import itertools

import drawing
import numpy as np
import pytest
from card_games import make

from gym_cards.cards import DECK, Card
from gym_cards.render.lettering import Ink, draw_text, word
from gym_cards.render.picture import TABLE
from gym_cards.render.sprites import card_height
from gym_cards.render.style import WHITE, RenderStyle
from gym_cards.video_poker import picture as module
from gym_cards.video_poker.picture import VideoPokerPicture
from gym_cards.video_poker.rules import HANDS, HOLDS, PAY_TABLES, hand_of

DEALT = ["HJ", "DJ", "C5", "S9", "H2"]


@pytest.fixture(scope="module")
def env():
    env = make("VideoPoker")
    env.lazy_observations = True
    return env


def test_held_cards_stay_and_the_others_are_new(env):
    for seed, hold in enumerate(HOLDS):
        _, before = env.reset(seed=seed)
        _, reward, terminated, truncated, after = env.step(seed)
        assert (terminated, truncated) == (True, False)
        assert after["Held"] == [place + 1 for place in hold]
        for place in range(5):
            assert (after["Cards"][place] == before["Cards"][place]) == (place in hold)
        assert len({*before["Cards"], *after["Cards"]}) == 10 - len(hold)
        final = hand_of([Card.parse(code) for code in after["Cards"]])
        assert after["Result"] == after["state"]["hand"] == HANDS[final]
        assert after["Payout"] == env.pays[final] == reward + 1


def test_the_same_luck_whatever_is_held(env):
    """With the same seed a place gets the same new card, whichever others are held."""
    new = [set() for _ in range(5)]
    for action, hold in enumerate(HOLDS):
        env.reset(seed=3, options={"cards": DEALT})
        codes = env.step(action)[4]["Cards"]
        for place in set(range(5)) - set(hold):
            new[place].add(codes[place])
    assert [len(codes) for codes in new] == [1] * 5
    env.reset(seed=4, options={"cards": DEALT})
    assert {env.step(0)[4]["Cards"][place] for place in range(1)} != new[0]


def test_the_mean_reward_is_the_exact_value(env):
    """Four to a flush, from 600 seeds: within five standard errors."""
    options = {"cards": ["HK", "H9", "H5", "H2", "S7"]}
    env.reset(options=options)
    known = env.exact()
    (action,) = known.optimal_actions
    assert env.action_names[action] == "hold 1 2 3 4 only"
    rewards = []
    for seed in range(600):
        env.reset(seed=seed, options=options)
        rewards.append(env.step(action)[1])
    assert abs(np.mean(rewards) - known.value) < 5 * np.std(rewards) / len(rewards) ** 0.5


def test_any_card_is_dealt_anywhere(env):
    """Each of 52 cards 38 to 39 times in 2,000 deals: four standard deviations are 24."""
    counts = np.zeros((5, 52))
    env.reset(seed=0)
    for _ in range(2000):
        for place, code in enumerate(env.reset()[1]["Cards"]):
            counts[place, DECK.index(Card.parse(code))] += 1
    assert counts.min() > 14
    assert counts.max() < 63


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (["HJ", "DJ", "C5", "S9"], "expected 5 cards, got 4"),
        (["HJ", "HJ", "C5", "S9", "H2"], "expected 5 different cards"),
        (["HJ", "DJ", "C5", "S9", "H1"], "'H1' is not a card"),
        ("HJ", "expected a list of card codes"),
    ],
)
def test_wrong_cards_are_an_error(env, codes, told):
    with pytest.raises(ValueError, match=told):
        env.reset(options={"cards": codes})


def test_an_own_table_is_told_shown_and_paid():
    pays = dict.fromkeys(HANDS[1:], 7)
    env = make("VideoPoker", pays=pays)
    shown, _ = env.reset(seed=0, options={"cards": DEALT})
    assert "royal flush 7, straight flush 7" in env.task_description
    assert (shown != make("VideoPoker").reset(seed=0, options={"cards": DEALT})[0]).any()
    assert env.step(31)[1] == 6.0
    assert env.pays == (0, *[7] * 9)


def test_the_expert_reads_reasons_and_holds():
    env = make("VideoPoker")
    env.reset(options={"cards": DEALT})
    assert env.expert() == (3, "with Jh Jd I have a pair of jacks, so I hold 1 2 only")
    assert env.explain(0) == "I want five new cards, so I hold none"
    assert env.explain(24) == "with 9s 2h I have nothing yet, so I hold 4 5 only"
    env.reset(options={"cards": ["S2", "HT", "D4", "C7", "H6"]})
    assert env.expert() == (0, "I want five new cards, so I hold none")


# Pictures


def final(picture, held, result):
    picture.draw(DECK[20:25], [place - 1 for place in held], HANDS.index(result))
    return picture.frame


def test_nothing_is_left_of_the_game_before():
    picture = VideoPokerPicture(RenderStyle(), PAY_TABLES["9/6"])
    results = itertools.cycle(HANDS)
    for first, second in itertools.permutations([[], [1, 3], [2, 3, 4], [1, 2, 3, 4, 5]], 2):
        for held in (first, second):
            picture.deal(DECK[8:13])
            assert (picture.frame == drawing.video_poker(DECK[8:13])).all()
            result = next(results)
            shown = final(picture, held, result)
            assert (shown == drawing.video_poker(DECK[20:25], held, result)).all()


def test_the_picture_tells_every_end_from_every_other():
    """What is held and what it pays are to be seen, and the end differs from the start."""
    seen = {drawing.video_poker(DECK[:5]).tobytes()}
    seen |= {drawing.video_poker(DECK[:5], [], result).tobytes() for result in HANDS}
    seen |= {
        drawing.video_poker(DECK[:5], [place + 1 for place in hold], "two pair").tobytes()
        for hold in HOLDS[1:]
    }
    assert len(seen) == 1 + len(HANDS) + len(HOLDS) - 1


@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("most", [800, 100_000])
def test_table_cards_and_lines_are_apart_at_every_size(scale, most):
    for size in (64, 99, 300, 448):
        style = RenderStyle(size=size, font_scale=scale)
        picture = VideoPokerPicture(style, (*PAY_TABLES["9/6"][:-1], most))
        parts = picture._parts
        height = card_height(parts.width)
        rows = [(patch.y, patch.y + len(patch.picture)) for patch in reversed(parts.rows.values())]
        (cards,) = {(y, y + height) for _, y in parts.corners}
        (marks,) = {(patch.y, patch.y + len(patch.picture)) for patch in parts.marks}
        line = (parts.question.y, parts.question.y + len(parts.question.picture))
        for (_, end), (start, _) in itertools.pairwise([*rows, cards, marks, line]):
            assert end <= start, size
        assert line[1] <= size
        lefts = [x for x, _ in parts.corners]
        assert all(after >= before + parts.width for before, after in itertools.pairwise(lefts))
        assert lefts[0] >= 0
        assert lefts[-1] + parts.width <= size
        assert parts.width >= 0.15 * size
        for patches in (parts.marks, parts.numbers):
            ends = [patch.x + patch.picture.shape[1] for patch in patches]
            assert all(end <= patch.x for end, patch in zip(ends, patches[1:], strict=False))


@pytest.mark.parametrize("size", [100, 150, 300, 448])
@pytest.mark.parametrize("scale", [1, 2])
def test_no_letter_is_cut_off(size, scale, monkeypatch):
    written = []

    def spied(frame, text, x, y, font, colour):
        draw_text(frame, text, x, y, font, colour)
        drawn = word(text, Ink(font, WHITE, TABLE))
        height, width, _ = drawn.picture.shape
        left, top = x + drawn.left, y + drawn.top
        assert left >= 0
        assert top >= 0
        assert left + width <= frame.shape[1]
        assert top + height <= frame.shape[0]
        written.append(text)

    monkeypatch.setattr(module, "draw_text", spied)
    module._Parts(RenderStyle(size=size, font_scale=scale), TABLE, PAY_TABLES["9/6"])
    assert written.count("Royal flush") == 2
    assert {"HELD", "5", "Hold which cards?", "Royal flush: pays 800"} <= set(written)


@pytest.mark.parametrize("background", ["#102030", "#f0e8c0"])
def test_what_is_marked_stands_out_from_any_table(background):
    style = RenderStyle(background=background)
    before = drawing.video_poker(DECK[:5], style=style).astype(int)
    after = drawing.video_poker(DECK[:5], [2], "flush", style=style).astype(int)
    changed = np.abs(after - before).max(axis=2) > 100
    parts = VideoPokerPicture(style, PAY_TABLES["9/6"])._parts
    for patch in (parts.marks[1], parts.rows[HANDS.index("flush")]):
        height, width, _ = patch.picture.shape
        assert changed[patch.y : patch.y + height, patch.x : patch.x + width].mean() > 0.6
