"""The end of an episode: rendered always, observed with `reveal_dealer`."""

import copy
import functools

import drawing
import gymnasium as gym
import numpy as np
import pytest
from card_games import make
from gymnasium.wrappers import RenderCollection
from many_games import make_vec

from gym_cards.blackjack.picture import _RESULTS, BlackjackPicture
from gym_cards.blackjack.rules import total
from gym_cards.cards import DECK, Card
from gym_cards.render.badge import badge
from gym_cards.render.lettering import text_width
from gym_cards.render.style import RenderStyle, ink_on

STAND, HIT = 0, 1
MOST = 12
# The dealer has 13 and draws at least one card.
START = {"player": ["HK", "S8"], "dealer": ["CK", "D3"]}


def hand(codes):
    return [Card.parse(code) for code in codes.split()]


def at_start(**kwargs):
    env = make("Blackjack", render_mode="rgb_array", **kwargs)
    picture, _ = env.reset(seed=1, options=START)
    return env, picture


def end_of(env):
    """The picture of the end, drawn from what the environment knows."""
    return drawing.blackjack_end(
        env._player, env._dealer, env._result, style=env.style, jitter=env._jitter
    )


def test_the_end_is_rendered_and_not_observed():
    env, before = at_start()
    observed, _, _, _, info = env.step(STAND)
    assert np.array_equal(observed, before)
    assert np.array_equal(env.current_observation(), before)
    assert info["state"]["dealer card"] == "K"
    assert len(env._dealer) > 2
    assert np.array_equal(env.render(), end_of(env))
    assert not np.array_equal(env.render(), before)
    # Rendering leaves the observation alone, and the next episode hides the dealer's card again.
    assert np.array_equal(env.current_observation(), before)
    again, _ = env.reset(options=START)
    assert np.array_equal(again, before)
    assert np.array_equal(env.render(), before)


def test_revealed_it_is_observed_and_told_too():
    env, before = at_start(reveal_dealer=True)
    assert env.info()["state"]["dealer card"] == "K"
    observed, _, _, _, info = env.step(STAND)
    assert np.array_equal(observed, end_of(env))
    assert np.array_equal(env.render(), observed)
    assert info["state"]["dealer card"] == " ".join(card.label for card in env._dealer)
    again, info = env.reset(options=START)
    assert np.array_equal(again, before)
    assert info["state"]["dealer card"] == "K"


@pytest.mark.parametrize("reveal", [False, True])
def test_a_hand_over_21_turns_the_hidden_card_up(reveal):
    env, _ = at_start(reveal_dealer=reveal)
    observed = None
    while env._playing:
        observed = env.step(HIT)[0]
    assert total(env._player) > 21
    assert len(env._dealer) == 2
    hidden = drawing.blackjack(env._player, env._dealer[0])
    assert np.array_equal(observed, end_of(env) if reveal else hidden)
    assert np.array_equal(env.render(), end_of(env))


def test_numbers_are_observed_as_before():
    env, observed = at_start(is_pixel=False)
    assert observed == env.step(STAND)[0] == (18, 10, 0)
    assert np.array_equal(env.render(), end_of(env))


def test_videos_end_with_the_end():
    env = RenderCollection(gym.make("gym_cards/Blackjack-v0", render_mode="rgb_array"))
    env.reset(options=START)
    env.step(STAND)
    frames = env.render()
    assert np.array_equal(frames[-1], end_of(env.unwrapped))
    assert np.array_equal(frames[0], drawing.blackjack(hand("HK S8"), Card.parse("CK")))


def test_snapshots_and_copies_of_the_end():
    env, _ = at_start(reveal_dealer=True, position_jitter=10)
    observed = env.step(STAND)[0]
    other = make("Blackjack", render_mode="rgb_array", reveal_dealer=True, position_jitter=10)
    other.restore(env.snapshot())
    for one in (other, copy.deepcopy(env)):
        assert np.array_equal(one.current_observation(), observed)
        one.reset(options=START)
        assert np.array_equal(
            one.current_observation(),
            drawing.blackjack(one._player, one._dealer[0], style=one.style, jitter=one._jitter),
        )
    # The published picture is of another kind.
    with pytest.raises(ValueError, match="the snapshot is of"):
        make("Blackjack", position_jitter=10).restore(env.snapshot())


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
@pytest.mark.parametrize("reveal", [False, True])
def test_the_end_in_batches(reveal, mode):
    options = {"render_mode": "rgb_array", "reveal_dealer": reveal}
    envs = make_vec("Blackjack", 3, autoreset_mode=mode, copy=False, **options)
    alone = [make("Blackjack", **options) for _ in range(3)]
    envs.reset(seed=5, options=START)
    for index, game in enumerate(alone):
        game.reset(seed=5 + index, options=START)
    actions = [STAND, HIT, STAND]
    seen, _, over, _, infos = envs.step(actions)
    single = [game.step(action)[0] for game, action in zip(alone, actions, strict=True)]
    assert over[0]
    assert over[2]
    shown = infos["final_obs"] if mode == "SameStep" else seen
    assert np.array_equal(shown[0], single[0])
    assert np.array_equal(shown[2], single[2])
    if mode == "SameStep":
        assert infos["final_info"]["state"]["dealer card"][0] == alone[0]._dealer_labels
    else:
        kept = seen.copy()
        assert np.array_equal(envs.render()[0], end_of(alone[0]))
        assert np.array_equal(seen, kept)
        assert infos["state"]["dealer card"].tolist() == [game._dealer_labels for game in alone]


# The picture


def test_the_dealer_never_has_more_cards_than_there_are_places():
    @functools.cache
    def most(points, ace):
        """The most further cards, when aces count 1."""
        best = points + 10 if ace and points <= 11 else points
        if best >= 17:
            return 0
        return 1 + max(most(points + value, ace or value == 1) for value in range(1, 11))

    assert most(0, False) == MOST
    BlackjackPicture().end(DECK[:2], DECK[:MOST], (3, 17), 1)
    with pytest.raises(ValueError, match=f"13 cards has no room: expected at most {MOST}"):
        BlackjackPicture().end(DECK[:2], DECK[: MOST + 1], (3, 17), 1)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, MOST])
def test_every_card_of_the_dealer_is_seen(n):
    dealer = [DECK[(11 * i + n) % 52] for i in range(n)]
    frame = drawing.blackjack_end(hand("HK S8"), dealer, 1.0)
    picture = BlackjackPicture()
    for card, (x, y) in zip(dealer, picture._corners_of_dealers_hand(n), strict=True):
        alone = BlackjackPicture()
        alone.put_card(card, 70, x, y)
        index = np.s_[y + 4 : y + 39, x + 3 : x + 19]
        assert np.array_equal(frame[index], alone.frame[index])
        assert x + 70 <= 300


@pytest.mark.parametrize(
    "style",
    [
        RenderStyle(),
        RenderStyle(size=64, font_scale=2),
        RenderStyle(size=96, position_jitter=20, rotation_jitter=12),
    ],
    ids=str,
)
def test_nothing_is_left_of_the_end(style):
    picture = BlackjackPicture(style)
    for player, dealer in ((hand("HK S8"), DECK[:MOST]), (DECK[:9], hand("CK D6"))):
        picture.deal(player[:2], dealer[0], 1)
        picture.end(player, dealer, (total(player), total(dealer)), -1, 1)
        assert np.array_equal(
            picture.frame, drawing.blackjack_end(player, dealer, -1, style=style, jitter=1)
        )
        for after in (hand("HK S8"), DECK[20:25]):
            picture.deal(after, DECK[40], 2)
            assert np.array_equal(
                picture.frame, drawing.blackjack(after, DECK[40], style=style, jitter=2)
            )


@pytest.mark.parametrize("size", [64, 100, 300, 448])
@pytest.mark.parametrize("scale", [0.5, 1, 1.5, 2])
def test_the_result_stands_between_the_hands(size, scale, monkeypatch):
    pasted = []

    def spy(frame, sprite, x, y):
        pasted.append((sprite, x, y))

    picture = BlackjackPicture(RenderStyle(size=size, font_scale=scale))
    monkeypatch.setattr("gym_cards.blackjack.picture.paste", spy)
    for reward in (1.5, 0, -1):
        picture.end(DECK[:9], hand("CK D6"), (45, 16), reward)
    font = picture.font("bold", 16)
    total_ends = picture.style.pixels(5) + text_width("Player 45", font)
    for sprite, x, y in pasted:
        height, width, _ = sprite.ink.shape
        assert x > total_ends
        assert x + width <= size
        assert y >= picture._dealer_box[3]
        assert y + height <= picture._hand_box[1]
    assert len(pasted) == 3


def test_results_differ_and_can_be_read():
    sprites = [badge(text, "bold-13", 19, fill) for text, fill in _RESULTS.values()]
    assert len({text for text, _ in _RESULTS.values()}) == 3
    for sprite, (_, fill) in zip(sprites, _RESULTS.values(), strict=True):
        # Opaque in the middle, round at the corners.
        assert sprite.clear[9, sprite.clear.shape[1] // 2] == 0
        assert sprite.clear[0, 0] > 128
        levels = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (fill, ink_on(fill))]
        assert abs(levels[0] - levels[1]) > 125
