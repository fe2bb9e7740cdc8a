"""Cards dealt from a finite shoe, and from the infinite deck."""

from collections import Counter

import pytest
from card_games import make

from gym_cards.blackjack.rules import INFINITE_DECK
from gym_cards.cards import DECK, RANKS, Card

COLOURS = {"any": set("CDHS"), "red": set("DH"), "black": set("CS")}


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
