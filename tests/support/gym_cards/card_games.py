"""The registered card games and their variants, and what tests do with any of them."""

import drawing
import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import data_equivalence

import gym_cards  # noqa: F401
from gym_cards.blackjack.rules import settle, total
from gym_cards.cards import Card
from gym_cards.points.formula import words_as_read

# The household, whose actions are texts, has tests of its own.
IDS = sorted(
    env_id
    for env_id in gym.registry
    if env_id.startswith("gym_cards/") and env_id != "gym_cards/ALFWorld-v0"
)
RULES = [
    ("gym_cards/NumberLine-v0", {"max_position": 12}),
    ("gym_cards/EZPoints-v0", {"target_points": 20}),
    ("gym_cards/Points24-v0", {"treat_face_cards_as_10": False}),
    ("gym_cards/Points24-v0", {"hands": "solvable", "target_points": 20}),
    ("gym_cards/Points24Exact-v0", {"hands": "solvable", "notation": "as_read"}),
    ("gym_cards/Points24Exact-v0", {"treat_face_cards_as_10": False}),
    ("gym_cards/Blackjack-v0", {"is_pixel": False}),
    ("gym_cards/Blackjack-v0", {"natural": True, "reveal_dealer": True}),
    ("gym_cards/Blackjack-v0", {"sab": True}),
    ("gym_cards/EZPoints-v0", {"num_cards": 3, "hands": "any", "treat_face_cards_as_10": False}),
    ("gym_cards/Points24-v0", {"num_cards": 3, "hands": "unsolvable", "order": "ascending"}),
    ("gym_cards/Blackjack-v0", {"decks": 2, "suits": "red", "is_pixel": False}),
]
# Rules and looks together, so that every option is somewhere.
LOOKS = [
    ("gym_cards/NumberLine-v0", {"size": 100, "display": "line", "max_position": 60}),
    ("gym_cards/NumberLine-v0", {"size": 150, "background": "#203040", "font_scale": 1.5}),
    (
        "gym_cards/EZPoints-v0",
        {
            **{"size": 128, "position_jitter": 20, "rotation_jitter": 12, "suits": "black"},
            "notation": "as_read",
        },
    ),
    (
        "gym_cards/Points24-v0",
        {"size": 200, "num_cards": 5, "four_colours": True, "order": "descending"},
    ),
    (
        "gym_cards/Points24-v0",
        {"size": 180, "position_jitter": 40, "font_scale": 0.6, "background": "#f0e8c0"},
    ),
    (
        "gym_cards/Blackjack-v0",
        {
            **{"size": 160, "position_jitter": 15, "rotation_jitter": 20, "decks": 1},
            "reveal_dealer": True,
        },
    ),
    ("gym_cards/Blackjack-v0", {"size": 96, "font_scale": 2, "background": "#ffffff"}),
    ("gym_cards/Blackjack-v0", {"size": 96, "is_pixel": False, "rotation_jitter": 9}),
    (
        "gym_cards/Memory-v0",
        {
            **{"columns": 2, "match": "card", "max_misses": 9},
            **{"size": 100, "position_jitter": 10, "rotation_jitter": 9, "four_colours": True},
        },
    ),
    (
        "gym_cards/SET-v0",
        {
            **{"num_cards": 7, "num_features": 3, "num_sets": 2},
            **{"size": 100, "position_jitter": 8, "rotation_jitter": 9, "font_scale": 2},
        },
    ),
    (
        "gym_cards/VideoPoker-v0",
        {"pays": "6/5", "size": 140, "rotation_jitter": 10, "background": "#f0e8c0"},
    ),
    ("gym_cards/FreeCell-v0", {"size": 180, "position_jitter": 12, "rotation_jitter": 8}),
    (
        "gym_cards/FreeCell-v0",
        {"size": 100, "num_suits": 3, "num_ranks": 5, "num_columns": 5, "num_cells": 1},
    ),
]
VARIANTS = RULES + LOOKS
# Each differs from another id in which half of the deals it has, or in how large a game is, and is
# left out where all else is tried; `test_variants` tests its deals.
ALIKE = {
    f"gym_cards/{name}-v0"
    for name in (
        "EZPointsTest",
        "Points24Test",
        "Points24Red",
        "MemorySmall",
        "SETSmall",
        "FreeCellFull",
    )
}
EVERY = [(env_id, {}) for env_id in IDS if env_id not in ALIKE] + VARIANTS


def make(env_id, **kwargs):
    """A bare environment, whose id may be short."""
    full = env_id if "/" in env_id else f"gym_cards/{env_id}-v0"
    return gym.make(full, disable_env_checker=True, **kwargs).unwrapped


def game_of(env_id):
    """The game that an id is a variant of."""
    return gym.spec(env_id).entry_point.split(":")[1].removesuffix("Env")


def picture_of(env, info, *, rendered=False):
    """The picture of an environment's state, drawn from nothing.

    It is the one that is observed, or else the one that is rendered, which tells more at the end.
    """
    env = env.unwrapped
    game = type(env).__name__
    if game == "NumberLineEnv":
        return drawing.number_line(
            info["Target"],
            info["Current"],
            style=env.style,
            display=env.display,
            max_position=env.max_position,
        )
    if game == "FreeCellEnv":
        return drawing.freecell(info, env.game_size, style=env.style, jitter=env._jitter)
    if game == "BlackjackEnv":
        player, dealer = (
            [Card.parse(suit + ("T" if face == "10" else face)) for _, face, suit in info[key]]
            for key in ("Player Card", "Dealer Card")
        )
        look = {"style": env.style, "jitter": env._jitter}
        # The infos hide the dealer's second card until the end.
        if len(dealer) > 1 and (rendered or env.reveal_dealer):
            lost = total(player) > 21
            reward = -1 if lost else settle(player, dealer, natural=env.natural, sab=env.sab)
            return drawing.blackjack_end(player, dealer, reward, **look)
        return drawing.blackjack(player, dealer[0], **look)
    if game == "MemoryEnv":
        return drawing.memory(
            info["Cards"],
            info["Misses Left"],
            grid=(env.rows, env.columns),
            style=env.style,
            jitter=env._jitter,
        )
    if game == "SETEnv":
        return drawing.set_cards(info["Cards"], info["Picked"], style=env.style, jitter=env._jitter)
    if game == "VideoPokerEnv":
        return drawing.video_poker(
            [Card.parse(code) for code in info["Cards"]],
            info["Held"],
            info["Result"],
            pays=env.pays,
            style=env.style,
            jitter=env._jitter,
        )
    words = [str(token) for token in info["Formula"]]
    if env.notation == "as_read":
        words = words_as_read(words, joins=env.rules == "published")
    return drawing.points(
        [Card.parse(code) for code in info["Cards"]],
        words,
        inline=game == "EZPointsEnv",
        style=env.style,
        jitter=env._jitter,
    )


def same(one, other):
    """Whether two nested values are equal to the last bit and type."""
    return data_equivalence(one, other, exact=True)


def lasting_action(names, rng, mask):
    """A random action that seldom ends or spoils a formula, so that formulas grow."""
    if names[-1] != "=" or rng.random() < 0.1:
        return int(rng.integers(len(names)))
    if rng.random() < 0.8:
        return int(rng.choice(np.flatnonzero(mask[:-1])))
    return int(rng.integers(len(names) - 1))


def hands_of(env, count, seed=0):
    """The cards of a number of deals."""
    env.reset(seed=seed)
    dealt = []
    for _ in range(count):
        _, info = env.reset()
        codes = info.get("Cards") or [
            suit + {"10": "T"}.get(face, face)
            for key in ("Dealer Card", "Player Card")
            for _, face, suit in info[key]
        ]
        dealt.append([Card.parse(code) for code in codes])
    return dealt


def ranks(cards):
    return [card.rank for card in cards]
