"""What is dealt and told in every variant, against counts and searches made here."""

import hashlib
from collections import Counter
from fractions import Fraction
from itertools import combinations_with_replacement, pairwise, permutations, product
from math import factorial, prod

import gymnasium as gym
import numpy as np
import pytest
from card_games import IDS, make

from gym_cards.blackjack.rules import INFINITE_DECK
from gym_cards.cards import DECK, RANKS, Card, deal, dyed
from gym_cards.points import solver
from gym_cards.points.splits import split_of

REGISTERED = {
    "NumberLine": ("NumberLine", {}),
    "NumberLineLong": ("NumberLine", {"max_position": 20}),
    "NumberLineDrawn": ("NumberLine", {"display": "line"}),
    "EZPoints": ("EZPoints", {}),
    "EZPointsTrain": ("EZPoints", {"split": "train"}),
    "EZPointsTest": ("EZPoints", {"split": "test"}),
    "Points24": ("Points24", {}),
    "Points24Exact": ("Points24", {"rules": "exact"}),
    "Points24Train": ("Points24", {"hands": "solvable", "split": "train"}),
    "Points24Test": ("Points24", {"hands": "solvable", "split": "test"}),
    "Points24Faces": ("Points24", {"treat_face_cards_as_10": False}),
    "Points24Black": ("Points24", {"suits": "black"}),
    "Points24Red": ("Points24", {"suits": "red"}),
    "Points24FourColours": ("Points24", {"four_colours": True}),
    "Blackjack": ("Blackjack", {}),
    "BlackjackDeck": ("Blackjack", {"decks": 1}),
}
COLOURS = {"any": set("CDHS"), "red": set("DH"), "black": set("CS")}
points_games = pytest.mark.parametrize("game", ["EZPoints", "Points24"])


def hands_of(env, count, seed=0):
    """The cards of so many deals."""
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


# Ids


def test_the_registered_variants():
    assert [f"gym_cards/{name}-v0" for name in sorted(REGISTERED)] == IDS
    for name, (game, kwargs) in REGISTERED.items():
        spec = gym.spec(f"gym_cards/{name}-v0")
        assert spec.entry_point.endswith(f":{game}Env")
        assert spec.vector_entry_point == f"{spec.entry_point.removesuffix('Env')}VectorEnv"
        assert spec.kwargs == kwargs
        assert spec.max_episode_steps == 300


# Suits and order


@pytest.mark.parametrize("suits", ["red", "black"])
@pytest.mark.parametrize("game", ["EZPoints", "Points24", "Blackjack"])
def test_suits_change_nothing_but_suits(game, suits):
    plain = hands_of(make(game), 60)
    coloured = hands_of(make(game, suits=suits), 60)
    assert [ranks(hand) for hand in coloured] == [ranks(hand) for hand in plain]
    counts = Counter(card.suit for hand in coloured for card in hand)
    assert counts.keys() == COLOURS[suits]
    # Both suits are as likely: four standard errors.
    assert abs(max(counts.values()) / counts.total() - 0.5) < 2 / counts.total() ** 0.5


def test_dyeing_keeps_ranks_and_halves_the_suits():
    for suits, kept in COLOURS.items():
        cards = dyed(DECK, suits)
        assert ranks(cards) == ranks(DECK)
        copies = 52 // (13 * len(kept))
        assert Counter(cards) == {Card(s, r): copies for s in kept for r in RANKS}
        # Those of the wanted suits stay as they are.
        assert all(new == old for new, old in zip(cards, DECK, strict=True) if old.suit in kept)
    with pytest.raises(ValueError, match="suits='green': expected 'any', 'red' or 'black'"):
        dyed(DECK, "green")


@points_games
def test_order(game):
    dealt, ascending, descending = (
        [ranks(hand) for hand in hands_of(make(game, num_cards=4, hands="any", order=order), 40)]
        for order in ("dealt", "ascending", "descending")
    )
    assert ascending == [sorted(hand) for hand in dealt]
    assert descending == [hand[::-1] for hand in ascending]
    assert any(hand not in (sorted(hand), sorted(hand)[::-1]) for hand in dealt)


def test_options_are_laid_out_as_given():
    env = make("Points24", order="ascending", suits="red")
    _, info = env.reset(options={"cards": ["CK", "S2", "HA", "D9"]})
    assert info["Cards"] == ["CK", "S2", "HA", "D9"]


# Numbers of cards


@points_games
@pytest.mark.parametrize("count", range(2, 7))
def test_any_number_of_cards(game, count):
    env = make(game, num_cards=count, hands="any")
    _, info = env.reset(seed=0)
    assert len(info["Cards"]) == len(info["Numbers"]) == count
    assert len(info["state"]["cards"].split()) == count
    word = ["two", "three", "four", "five", "six"][count - 2]
    assert f"You see {word} cards" in env.task_description
    limit = 2 * count + 1 if game == "EZPoints" else 5 * count
    assert f"more than {limit} entries" in env.task_description
    plus = env.action_names.index("+")
    for _ in range(limit + 1):
        assert env.step(plus)[1:4] == (0.0, False, False)
    assert env.step(plus)[1:4] == (-1.0, False, True)


@points_games
@pytest.mark.parametrize("count", range(2, 7))
def test_the_solution_of_any_number_of_cards_counts(game, count):
    """A sum, which both games can write."""
    env = make(game, num_cards=count, hands="any", target_points=count * (count + 1) // 2)
    numbers = range(1, count + 1)
    env.reset(options={"cards": [Card("S", rank).code for rank in numbers]})
    for number in numbers:
        env.step(env.action_names.index(str(number)))
        step = env.step(env.action_names.index("+" if number < count else "="))
    assert step[1:4] == (10.0, True, False)
    assert step[4]["is_success"] is True


# Values and targets


@points_games
def test_faces_may_count_more_than_ten(game):
    env = make(game, treat_face_cards_as_10=False, target_points=36, num_cards=3, hands="any")
    assert env.action_names[:13] == tuple(map(str, range(1, 14)))
    _, info = env.reset(options={"cards": ["HJ", "SQ", "DK"]})
    assert info["Numbers"] == [11, 12, 13]
    assert info["state"]["cards"] == "J Q K"
    assert "11, 12 and 13" in env.task_description
    for text in ("11", "+", "12", "+", "13", "="):
        step = env.step(env.action_names.index(text))
    assert step[1] == 10.0


@pytest.mark.parametrize(
    ("target", "cards", "formula"),
    [
        (-7, "HA H2 H3 H9", "1 - 2 + 3 - 9"),
        (0, "HA SA H5 S5", "5 - 5 + 1 - 1"),
        (1, "HA SA H5 S5", "5 / 5 + 1 - 1"),
        (99, "HT SK HA DA", "10 * 10 - 1 * 1"),
    ],
)
def test_any_target(target, cards, formula):
    env = make("Points24", target_points=target)
    assert f"equals {target}." in env.task_description
    env.reset(options={"cards": cards.split()})
    rewards = [env.step(env.action_names.index(text))[1] for text in [*formula.split(), "="]]
    assert rewards == [0.0] * 7 + [10.0]


def reachable(numbers):
    """Every value of the four operations with brackets on all the numbers."""
    if len(numbers) == 1:
        return {Fraction(numbers[0])}
    values = set()
    for i, j in permutations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = [numbers[k] for k in range(len(numbers)) if k not in (i, j)]
        results = {a - b, *([a / b] if b else []), *((a + b, a * b) if i < j else ())}
        for value in results:
            values |= reachable([*rest, value])
    return values


def sums_of_products(numbers):
    """Every value of + and * without brackets."""
    values = set()
    for order, signs in product(set(permutations(numbers)), product("+*", repeat=len(numbers) - 1)):
        terms = [order[0]]
        for sign, number in zip(signs, order[1:], strict=True):
            if sign == "+":
                terms.append(number)
            else:
                terms[-1] *= number
        values.add(sum(terms))
    return values


@pytest.mark.parametrize("hands", ["solvable", "unsolvable"])
@pytest.mark.parametrize(
    ("game", "count", "kwargs"),
    [
        ("EZPoints", 2, {"target_points": 20}),
        ("EZPoints", 3, {}),
        ("EZPoints", 3, {"treat_face_cards_as_10": False, "target_points": 36}),
        ("EZPoints", 4, {"target_points": 24}),
        ("Points24", 2, {}),
        ("Points24", 3, {"target_points": 11}),
        ("Points24", 3, {"treat_face_cards_as_10": False}),
        ("Points24", 4, {"rules": "exact"}),
    ],
)
def test_hands_against_brute_force(game, count, kwargs, hands):
    env = make(game, num_cards=count, hands=hands, **kwargs)
    values = sums_of_products if game == "EZPoints" else reachable
    env.reset(seed=1)
    for _ in range(25 if count < 4 else 6):
        numbers = env.reset()[1]["Numbers"]
        found = env.target_points in values([Fraction(number) for number in numbers])
        assert found == (hands == "solvable"), numbers


@pytest.mark.parametrize("hands", ["solvable", "unsolvable"])
def test_deals_are_uniform_among_the_hands_wanted(hands):
    env = make("Points24", num_cards=2, target_points=6, hands=hands)
    wanted = Counter(
        pair
        for pair in product([min(rank, 10) for rank in RANKS], repeat=2)
        if (6 in reachable([Fraction(number) for number in pair])) == (hands == "solvable")
    )
    env.reset(seed=2)
    deals = 20 * wanted.total()
    counts = Counter(tuple(env.reset()[1]["Numbers"]) for _ in range(deals))
    assert counts.keys() == wanted.keys()
    statistic = sum((counts[pair] - 20 * n) ** 2 / (20 * n) for pair, n in wanted.items())
    # Four standard deviations above the chi-square's mean.
    assert statistic < len(wanted) + 4 * (2 * len(wanted)) ** 0.5


def test_five_and_six_cards_know_what_can_be_solved():
    for count, some in ((5, 4), (6, 1)):
        env = make("Points24", num_cards=count, hands="solvable")
        for hand in hands_of(env, some):
            assert solver.is_solvable([min(card.rank, 10) for card in hand], 24)
    env = make("Points24", num_cards=5)
    assert not env._dealer.is_solvable([Card("S", 1)] * 5)


# The split


def documented_split(values):
    text = " ".join(str(value) for value in sorted(values))
    return "test" if hashlib.sha256(text.encode("ascii")).digest()[0] < 51 else "train"


def deals_showing(values):
    """How many of the 13**n deals have these values."""
    counts = Counter(values)
    orders = factorial(len(values)) // prod(factorial(n) for n in counts.values())
    return orders * 4 ** counts[10]


@pytest.mark.parametrize("count", range(2, 7))
def test_the_split_is_the_documented_hash(count):
    parts = Counter()
    for hand in combinations_with_replacement(RANKS, count):
        values = [min(rank, 10) for rank in hand]
        part = split_of([Card("S", rank) for rank in hand])
        assert part == documented_split(values)
        parts[part] += 1
    assert set(parts) == {"train", "test"}


def test_order_suits_and_faces_have_no_say_in_the_split():
    rng = np.random.default_rng(0)
    for _ in range(200):
        cards = deal(rng, 4)
        part = split_of(cards)
        assert split_of(cards[::-1]) == part
        assert split_of(dyed(cards, "red")) == part
        assert split_of([Card(c.suit, 10 if c.rank > 10 else c.rank) for c in cards]) == part


def test_the_sizes_of_the_split_of_points24():
    hands, solvable, deals = Counter(), Counter(), Counter()
    for values in combinations_with_replacement(range(1, 11), 4):
        part = documented_split(values)
        hands[part] += 1
        if solver.is_solvable(values, 24):
            solvable[part] += 1
            deals[part] += deals_showing(values)
    assert hands == {"train": 574, "test": 141}
    assert solvable == {"train": 450, "test": 116}
    assert deals == {"train": 16_020, "test": 4_856}


def test_the_split_of_ezpoints():
    dealt = {
        split: {tuple(sorted(min(r, 10) for r in ranks(hand))) for hand in hands_of(env, 300)}
        for split, env in ((s, make("EZPoints", split=s)) for s in ("train", "test", None))
    }
    assert dealt["test"] == {(2, 6), (3, 9)}
    assert dealt["train"] == {(2, 10), (3, 4), (4, 8), (5, 7), (6, 6)}
    assert dealt[None] == dealt["train"] | dealt["test"]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("game", "kwargs"),
    [
        ("EZPoints", {"target_points": 10}),
        ("EZPoints", {"num_cards": 3, "hands": "any"}),
        ("Points24", {}),
        ("Points24", {"treat_face_cards_as_10": False}),
        ("Points24", {"num_cards": 6, "suits": "red", "order": "ascending"}),
        ("Points24", {"hands": "unsolvable"}),
    ],
    ids=str,
)
def test_only_hands_of_the_part_are_dealt(game, kwargs, split):
    for hand in hands_of(make(game, split=split, **kwargs), 40):
        assert documented_split([min(rank, 10) for rank in ranks(hand)]) == split


def test_any_hand_can_be_set():
    """The options take what is never dealt."""
    env = make("Points24Test")
    assert env.reset(options={"cards": ["HA", "SA", "DA", "CA"]})[1]["Numbers"] == [1, 1, 1, 1]


# The finite shoe


@pytest.mark.parametrize("suits", COLOURS)
@pytest.mark.parametrize("decks", [1, 2, 8])
def test_a_shoe_holds_its_decks_and_no_more(decks, suits):
    env = make("Blackjack", decks=decks, suits=suits)
    kept = COLOURS[suits]
    full = {Card(s, r): decks * 4 // len(kept) for s in kept for r in RANKS}
    for seed in (0, 1):
        env.reset(seed=seed)
        drawn = [*env._dealer, *env._player]
        drawn += [env._draw_card() for _ in range(52 * decks - 4)]
        assert Counter(drawn) == full
        # It is full again at every reset.
        env.reset()
        assert Counter([*env._dealer, *env._player, *env._shoe]) == full


def test_no_episode_shows_a_card_twice():
    env = make("BlackjackDeck")
    env.reset(seed=0)
    for _ in range(150):
        ended = False
        while not ended:
            total = int(env.info()["state"]["player total"])
            *_, ended, _, info = env.step(int(total < 18))
        seen = [*info["Player Card"], *info["Dealer Card"]]
        assert len(set(seen)) == len(seen)
        env.reset()


def test_draws_from_a_shoe_are_uniform():
    env = make("Blackjack", decks=1, is_pixel=False)
    env.reset(seed=0)
    counts = Counter()
    for _ in range(2080):
        env.reset()
        counts.update([*env._dealer, *env._player])
    # 51 degrees of freedom: the 99.9% quantile of chi-square is 87.0.
    assert sum((counts[card] - 160) ** 2 / 160 for card in DECK) < 87.0


def test_the_cards_that_are_set_are_missing_from_the_shoe():
    env = make("Blackjack", decks=1)
    env.reset(options={"player": ["H2", "S2", "D2"], "dealer": ["C2", "HA"]})
    left = Counter(env._shoe)
    assert left.total() == 47
    assert left.keys().isdisjoint(map(Card.parse, ("H2", "S2", "D2", "C2", "HA")))


@pytest.mark.parametrize(
    ("kwargs", "player", "dealer"),
    [
        ({"decks": 1}, ["H2", "H2"], ["CK", "D5"]),
        ({"decks": 1}, ["H2", "H3"], ["CK", "H2"]),
        ({"decks": 2}, ["H2", "H2", "H2"], ["CK", "D5"]),
        ({"decks": 1, "suits": "red"}, ["H2", "C3"], ["DK", "D5"]),
        ({"decks": 1, "suits": "red"}, ["H2", "H2", "H2"], ["DK", "D5"]),
    ],
    ids=str,
)
def test_cards_that_the_shoe_does_not_hold(kwargs, player, dealer):
    with pytest.raises(ValueError, match=r"which hold fewer of ..; choose other cards"):
        make("Blackjack", **kwargs).reset(options={"player": player, "dealer": dealer})


def test_as_many_copies_as_there_are_can_be_set():
    env = make("Blackjack", decks=1, suits="red")
    env.reset(options={"player": ["H2", "H2"], "dealer": ["DK", "DK"]})
    assert Card("H", 2) not in env._shoe


def test_the_infinite_deck():
    counts = Counter(INFINITE_DECK)
    assert counts.total() == 156
    assert all(
        counts[card] == (0 if card.rank == 10 else 3 if card.rank < 10 else 4) for card in DECK
    )


# Mistakes


@pytest.mark.parametrize(
    ("game", "kwargs", "told"),
    [
        ("Points24", {"suits": "green"}, "suits='green': expected 'any', 'red' or 'black'"),
        ("Blackjack", {"suits": None}, "suits=None: expected 'any', 'red' or 'black'"),
        ("Points24", {"order": "random"}, "order='random': expected 'dealt', 'ascending' or"),
        ("EZPoints", {"hands": "some"}, "hands='some': expected 'any', 'solvable' or"),
        ("EZPoints", {"split": "validation"}, "split='validation': expected None, 'train' or"),
        ("Points24", {"num_cards": 1}, "num_cards=1: expected a whole number of at least 2"),
        ("EZPoints", {"num_cards": 7}, "num_cards=7: expected 2 to 6"),
        ("EZPoints", {"num_cards": 2.0}, "num_cards=2.0: expected a whole number"),
        ("EZPoints", {"treat_face_cards_as_10": 1}, "treat_face_cards_as_10=1: expected True or"),
        ("Points24", {"num_cards": 2, "target_points": 999, "hands": "solvable"}, "there are none"),
        ("EZPoints", {"num_cards": 6, "target_points": 10**9}, "there are none, or too few"),
        ("EZPoints", {"target_points": 20, "split": "test"}, "there are none"),
        ("Blackjack", {"decks": 0}, "decks=0: expected a whole number of at least 1"),
        ("Blackjack", {"decks": 9}, "decks=9: expected at most 8"),
        ("Blackjack", {"decks": 1.0}, r"decks=1.0: expected a whole number"),
        ("Blackjack", {"decks": True}, "decks=True: expected a whole number"),
    ],
    ids=str,
)
def test_bad_arguments(game, kwargs, told):
    with pytest.raises(ValueError, match=told):
        make(game, **kwargs)


# Descriptions


def test_descriptions_tell_the_variant():
    plain = make("Blackjack").task_description
    assert "deck" not in plain
    assert "one deck of 52" in make("BlackjackDeck").task_description
    assert "6 decks of 52" in make("Blackjack", decks=6).task_description
    assert "between 0 and 5" in make("NumberLine").task_description
    assert "between 0 and 20" in make("NumberLineLong").task_description
    drawn = make("NumberLineDrawn").task_description
    assert "a flag marks the target number and an arrow the current number" in drawn
    assert "from 0 to 5" in drawn
    texts = [make(env_id).task_description for env_id in ("Points24", "Points24Faces", "EZPoints")]
    assert all(one != other for one, other in pairwise(sorted(texts)))
