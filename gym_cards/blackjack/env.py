"""Blackjack: beat the dealer by coming closer to 21 without going over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from gymnasium import spaces

from gym_cards.blackjack import exact, odds, shoe
from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.cards import DECK, SUITS, Card, Suits, deal, dyed
from gym_cards.core.action_values import ActionValues
from gym_cards.core.env import (
    CardGameEnv,
    Frame,
    check_cards,
    check_choice,
    check_flag,
    check_integer,
    check_options,
    picture_space,
)
from gym_cards.render.style import CardStyleOptions, RenderStyle

ACTION_NAMES = ("stand", "hit")
MAX_DECKS = 8
Hand = Sequence[Card]
Observation = Frame | tuple[int, int, int]


# Of 13 equally likely values four are ten, shared evenly by three figures: 39 parts a suit. Those
# worth ten are a J, Q or K and never a 10.
INFINITE_DECK = tuple(
    Card(suit, part // 3 + 1 if part < 27 else 11 + (part - 27) // 4)
    for suit in SUITS
    for part in range(39)
)


def value(card: Card) -> int:
    """The points of a card, an ace counted as 1."""
    return min(card.rank, 10)


def count(hand: Hand) -> tuple[int, bool]:
    """The best total of a hand, and whether an ace counts as 11, which it does up to 21."""
    points, ace = 0, False
    for _, rank in hand:
        points += rank if rank < 10 else 10
        ace = ace or rank == 1
    return (points + 10, True) if ace and points <= 11 else (points, False)


def total(hand: Hand) -> int:
    """The best total of a hand."""
    return count(hand)[0]


def is_natural(hand: Hand) -> bool:
    """Whether the hand is an ace and a card worth ten, and no more."""
    return len(hand) == 2 and total(hand) == 21


def play_dealer(hand: Hand, draw_card: Callable[[], Card]) -> list[Card]:
    """The dealer's hand after drawing: he stands on every 17, with a usable ace too."""
    hand = list(hand)
    while total(hand) < 17:
        hand.append(draw_card())
    return hand


def settle(player: Hand, dealer: Hand, *, natural: bool = False, sab: bool = False) -> float:
    """The reward of a player who stands with at most 21, once the dealer has drawn."""
    mine, theirs = total(player), total(dealer)
    won = theirs > 21 or mine > theirs
    if sab:
        won = won or (is_natural(player) and not is_natural(dealer))
    elif natural and won and is_natural(player):
        return 1.5
    return 1.0 if won else 0.0 if mine == theirs else -1.0


# What infos tell of each card.
_TOLD = {card: (value(card), card.label, card.suit) for card in DECK}


def _shoe(decks: int | None) -> str:
    """What the task description says about a finite shoe."""
    if decks is None:
        return ""
    packs = "one deck" if decks == 1 else f"{decks} decks"
    return f" The cards are drawn from {packs} of 52, shuffled before every game."


class BlackjackEnv(CardGameEnv[Any]):
    """Beat the dealer by coming closer to 21 without going over it.

    ## Description
    Player and dealer get two cards each; one of the dealer's is face down. The player may take
    further cards, one at a time, and loses at once with more than 21. When he stands, the dealer
    turns up his card and draws until he has 17 or more. The better total of at most 21 wins.

    Cards count their number, J, Q and K count 10, and an ace counts 11 unless that takes the hand
    over 21, else 1. They come from an infinite deck, so that nothing can be learned by counting
    them. The cards worth 10, four of 13, are shown as a J, Q or K at random and never as a 10, a
    quirk of the published game. With `decks` they come from so many full decks, 10s included.

    ## Action Space
    `Discrete(2)`:

    | Action | Name    | Effect                                |
    | ------ | ------- | ------------------------------------- |
    | 0      | "stand" | take no more cards; the dealer plays  |
    | 1      | "hit"   | take a card                           |

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: the dealer's open card beside a card back, above all of
    the player's cards. The picture does not turn up the dealer's hidden card at the end.

    With `is_pixel=False`: `Tuple(Discrete(32), Discrete(11), Discrete(2))`, which are the player's
    total, the value of the dealer's open card (an ace is 1) and whether an ace of the player
    counts as 11.

    ## Starting State
    Two cards for the dealer and two for the player, drawn independently; every value from 1 to 9
    has probability 1/13, ten has 4/13; suits are uniform. With `decks` they are drawn without
    replacement from a shoe that is full and shuffled at every reset.

    `reset(options={"player": ["HA", "S9"], "dealer": ["CK", "D5"]})` sets the hands: a suit letter
    out of C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K. The player has two or more cards
    worth at most 21 in total, the dealer exactly two, of which the first is face up.

    ## Rewards
    - +1 for a win, 0 for a draw, -1 for a loss;
    - with `natural=True`, +1.5 for a win with an ace and a ten as the first two cards;
    - with `sab=True`, such a hand always wins (+1) unless the dealer has one as well.

    ## Episode End
    Termination: the player stands, or has more than 21. (The registered time limit of 300 steps
    is never reached.)

    ## Information
    - `Dealer Card`: a list of `(value, face, suit)`, such as `(10, "K", "C")`: the dealer's open
      card; at the end of the episode his whole hand;
    - `Player Card`: the same for the player's hand;
    - `state`: `{"player cards": "A 9", "dealer card": "K", "player total": "20"}`;
    - `given`: empty, since a prompt tells none of these;
    - `is_success`: whether the reward so far is above 0, so that a draw is no success;
    - `action_mask`: all ones, since no action is refused.

    ## Arguments
    - `natural` (default `False`): pay 1.5 for a win with a natural;
    - `sab` (default `False`): a natural wins against any other 21, as in Sutton and Barto;
      `natural` is then ignored;
    - `is_pixel` (default `True`): observe a picture, else three numbers;
    - `decks` (default `None`): draw from a shoe of 1 to 8 decks instead of cards without end;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): what the picture looks like, as in
      `gym_cards.render.style.RenderStyle`.

    The published environment takes `natural` and `sab` too, but they have no effect there; here
    they work as in Gymnasium's Blackjack-v1.

    ## Variants
    | Id                           | Arguments | What is new                                  |
    | ---------------------------- | --------- | -------------------------------------------- |
    | `gym_cards/BlackjackDeck-v0` | `decks=1` | the cards in sight are missing from the deck |

    ## Version History
    - v0: the published rules.

    ## References
    - Sutton and Barto, "Reinforcement Learning: An Introduction", example 5.1.
    - Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
      Reinforcement Learning", 2024, arXiv 2405.10292.
    """

    def __init__(
        self,
        natural: bool = False,
        sab: bool = False,
        is_pixel: bool = True,
        decks: int | None = None,
        suits: Suits = "any",
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        super().__init__(render_mode, RenderStyle.of(style, cards=True, game=type(self)))
        self.natural = check_flag("natural", natural)
        self.sab = check_flag("sab", sab)
        self.is_pixel = check_flag("is_pixel", is_pixel)
        check_choice("suits", suits, ("any", "red", "black"))
        self.suits: Suits = suits
        self.decks = None if decks is None else check_integer("decks", decks, least=1)
        if self.decks is not None and self.decks > MAX_DECKS:
            raise ValueError(
                f"decks={decks}: expected at most {MAX_DECKS}, or None for cards without end"
            )
        self.action_space = spaces.Discrete(len(ACTION_NAMES))
        self.observation_space = (
            picture_space(self.style)
            if self.is_pixel
            else spaces.Tuple((spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2)))
        )
        self.picture: BlackjackPicture = BlackjackPicture(self.style)
        self.action_names = ACTION_NAMES
        bonus = ""
        if self.sab:
            bonus = (
                " An ace and a card worth 10 as your first two cards win against everything but "
                "the same hand."
            )
        elif self.natural:
            bonus = (
                " A win with an ace and a card worth 10 as your first two cards pays one and a "
                "half."
            )
        self.task_description = (
            "You are playing blackjack. You see your cards and one of the dealer's two cards. "
            "Number cards count their number, J, Q and K count 10, and an ace counts 11 unless "
            'that takes the hand over 21, else 1. Each turn you choose "hit" to take another card '
            'or "stand" to stop; with more than 21 you lose at once. When you stand, the dealer '
            "draws cards until he has 17 or more, and the better total of at most 21 wins; equal "
            f"totals are a draw.{bonus}{_shoe(self.decks)} Your goal is to beat the dealer."
        )

    def expert(self, objective: odds.Objective = "reward") -> tuple[int, str]:
        """The best action, and why.

        Args:
            objective: Whether to play for the highest expected reward or for the most wins, where
                a draw is as bad as a loss.
        """
        self._require_start()
        check_choice("objective", objective, ("reward", "wins"))
        action = ACTION_NAMES.index("stand")
        # With more than 21 all is over, but a vector environment asks its running games and its
        # finished ones together.
        if self._total <= 21 and self.decks is not None:
            values = shoe.shoe_values(
                [value(card) for card in self._player],
                value(self._dealer[0]),
                self.decks,
                natural=self.natural,
                sab=self.sab,
            )
            stand, hit = values.wins if objective == "wins" else values.rewards
            action = int(hit > stand)
        elif self._total <= 21:
            action = odds.optimal_action(
                self._total,
                self._usable_ace,
                value(self._dealer[0]),
                objective,
                natural=self.natural,
                sab=self.sab,
                two_cards=len(self._player) == 2,
            )
        return action, self.explain(action)

    def _exact(self, gamma: float) -> ActionValues:
        return exact.exact(
            [value(card) for card in self._player],
            value(self._dealer[0]),
            decks=self.decks,
            natural=self.natural,
            sab=self.sab,
            gamma=gamma,
        )

    def explain(self, action: np.int64 | int) -> str:
        """What decides: the total, whether an ace can still give way, and the open card."""
        self._require_start()
        kind = "soft" if self._usable_ace else "hard"
        name = ACTION_NAMES[self.index_of(action)]
        return f"{kind} {self._total} against {self._dealer[0].label}, so I {name}"

    def _settings(self) -> tuple[object, ...]:
        return (self.natural, self.sab, self.is_pixel, self.decks, self.suits)

    def _start(self, parsed: tuple[Hand, Hand] | None) -> None:
        if parsed is not None:
            self._hold(*parsed)
            return
        self._shoe = self._full_shoe()
        if self.decks is None:
            cards = dyed(deal(self.np_random, 4, INFINITE_DECK), self.suits)
        else:
            cards = tuple(self._draw_card() for _ in range(4))
        self._dealer, self._player = list(cards[:2]), list(cards[2:])
        self._look_at_hands()

    def _hold(self, player: Hand, dealer: Hand) -> None:
        """Sets the hands, and takes them out of the shoe."""
        self._player, self._dealer = list(player), list(dealer)
        self._look_at_hands()
        self._shoe = self._full_shoe()
        if self.decks is not None:
            for card in (*player, *dealer):
                self._shoe.remove(card)

    def _look_at_hands(self) -> None:
        """Finds out what infos tell of both hands."""
        self._total, self._usable_ace = count(self._player)
        self._told = [_TOLD[card] for card in self._player]
        self._dealer_told = [_TOLD[card] for card in self._dealer]
        self._labels = " ".join([label for _, label, _ in self._told])

    def _full_shoe(self) -> list[Card]:
        return [] if self.decks is None else list(dyed(DECK, self.suits)) * self.decks

    def _draw_card(self) -> Card:
        if self.decks is None:
            card = INFINITE_DECK[self.np_random.integers(len(INFINITE_DECK))]
            return card if self.suits == "any" else dyed((card,), self.suits)[0]
        card = self._shoe[self.np_random.integers(len(self._shoe))]
        # The first of equal cards goes, as in `_hold`, so that a restored shoe has the same order.
        self._shoe.remove(card)
        return card

    def _parse(self, options: Mapping[str, Any]) -> tuple[Hand, Hand]:
        check_options(options, ("player", "dealer"))
        player = check_cards("player", options["player"])
        dealer = check_cards("dealer", options["dealer"])
        if len(player) < 2 or total(player) > 21:
            raise ValueError(
                f"options['player']={options['player']!r}: expected two or more cards worth at "
                f"most 21, got {len(player)} worth {total(player)}; choose other cards"
            )
        if len(dealer) != 2:
            raise ValueError(
                f"options['dealer']={options['dealer']!r}: expected two cards, the first face up, "
                f"got {len(dealer)}; he draws further ones himself"
            )
        short = Counter((*player, *dealer)) - Counter(self._full_shoe())
        if self.decks is not None and short:
            raise ValueError(
                f"options={dict(options)!r}: expected cards that decks={self.decks} with "
                f"suits={self.suits!r} holds, and {min(short).code} is not there so often; choose "
                "other cards"
            )
        return player, dealer

    def _play(self, action: int) -> tuple[float, bool, bool]:
        if ACTION_NAMES[action] == "hit":
            card = self._draw_card()
            self._player.append(card)
            self._total, self._usable_ace = count(self._player)
            self._told.append(_TOLD[card])
            self._labels += f" {_TOLD[card][1]}"
            if self.is_pixel:
                self.picture.hit(card)
            bust = self._total > 21
            return (-1.0 if bust else 0.0), bust, False
        self._dealer = play_dealer(self._dealer, self._draw_card)
        self._dealer_told = [_TOLD[card] for card in self._dealer]
        reward = settle(self._player, self._dealer, natural=self.natural, sab=self.sab)
        return reward, True, False

    def _draw(self) -> None:
        if self.is_pixel:
            self.picture.deal(self._player, self._dealer[0], self._jitter)

    def _frame(self) -> Frame:
        if not self.is_pixel:
            # Where no picture is observed none is kept up to date.
            self.picture.deal(self._player, self._dealer[0], self._jitter)
        return super()._frame()

    def _save(self) -> dict[str, Any]:
        return {
            "player": [card.code for card in self._player],
            "dealer": [card.code for card in self._dealer],
        }

    def _load(self, saved: Mapping[str, Any]) -> None:
        self._hold(
            [Card.parse(code) for code in saved["player"]],
            [Card.parse(code) for code in saved["dealer"]],
        )

    def _observation(self) -> Observation:
        if self.is_pixel:
            return self._frame()
        return self._total, value(self._dealer[0]), int(self._usable_ace)

    def _state(self) -> dict[str, str]:
        return {
            "player cards": self._labels,
            "dealer card": self._dealer_told[0][1],
            "player total": str(self._total),
        }

    def _published_info(self) -> dict[str, Any]:
        return {
            "Dealer Card": self._dealer_told[: 1 if self._playing else None],
            "Player Card": self._told.copy(),
        }

    @staticmethod
    def _columns(games: Sequence[Any]) -> dict[str, Any]:
        return {
            "Dealer Card": [game._dealer_told[: 1 if game._playing else None] for game in games],
            "Player Card": [game._told.copy() for game in games],
            "state": {
                "player cards": [game._labels for game in games],
                "dealer card": [game._dealer_told[0][1] for game in games],
                "player total": [str(game._total) for game in games],
            },
        }
