"""Blackjack: beat the dealer by coming closer to 21 without going over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar, Unpack

from gymnasium import spaces

from gym_cards.blackjack import odds
from gym_cards.blackjack.exact import exact
from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.blackjack.rules import INFINITE_DECK, Hand, count, play_dealer, settle, total, value
from gym_cards.blackjack.shoe import shoe_values
from gym_cards.cards import DECK, Card, Suits, deal, dyed
from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import (
    check_cards,
    check_choice,
    check_flag,
    check_integer,
    check_options,
)
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.render.style import CardStyleOptions, RenderStyle

ACTION_NAMES = ("stand", "hit")
STAND, HIT = 0, 1
MAX_DECKS = 8
Observation = Frame | tuple[int, int, int]

# The entry of each card in the infos: its value, its face and its suit.
_ENTRIES = {card: (value(card), card.label, card.suit) for card in DECK}


class BlackjackEnv(CardGameEnv[Any]):
    """Beat the dealer by coming closer to 21 without going over it.

    ## Description
    Player and dealer get two cards each; one of the dealer's is face down. The player may take
    further cards, one at a time, and loses at once with more than 21. When the player stands, the
    dealer turns the hidden card up and draws until the hand counts 17 or more. The better total of
    at most 21 wins.

    Cards count their number, J, Q and K count 10, and an ace counts 11 unless that takes the hand
    over 21, else 1. They come from an infinite deck, so that nothing can be learned by counting
    them. Cards worth 10, four of 13, are shown as a J, Q or K at random and never as a 10, a quirk
    of the published game. With `decks` they come from full decks, 10s included.

    ## Action Space
    `Discrete(2)`:

    | Action | Name    | Effect                                |
    | ------ | ------- | ------------------------------------- |
    | 0      | "stand" | take no more cards; the dealer plays  |
    | 1      | "hit"   | take a card                           |

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: the dealer's open card next to a card back, above all of
    the player's cards. As in the published game the hidden card stays hidden: the last observation
    of an episode that ends by "stand" is the one before it. With `reveal_dealer=True` the last
    observation shows the dealer's whole hand, both totals and the result.

    What `render` returns, the window and videos show this end in either case.

    With `is_pixel=False`: `Tuple(Discrete(32), Discrete(11), Discrete(2))`, which are the player's
    total, the value of the dealer's open card (1 for an ace) and whether an ace of the player
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
    - with `sab=True`, such a hand always wins (+1) unless the dealer has one too.

    ## Episode End
    Termination: the player stands, or has more than 21, at the latest with the 22nd card.

    ## Information
    - `Dealer Card`: a list of `(value, face, suit)`, such as `(10, "K", "C")`: the dealer's open
      card; at the end of the episode the whole hand;
    - `Player Card`: the same for the player's hand;
    - `state`: `{"player cards": "A 9", "dealer card": "K", "player total": "20"}`; with
      `reveal_dealer=True`, "dealer card" at the end is the whole hand, such as `"K 5 4"`;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the reward so far is above 0, so that a draw is not a success;
    - `action_mask`: all ones, because no action is refused.

    ## Arguments
    - `natural` (default `False`): pay 1.5 for a win with a natural;
    - `sab` (default `False`): a natural wins against any other 21, as in Sutton and Barto;
      `natural` is then ignored;
    - `is_pixel` (default `True`): observe a picture, else three numbers;
    - `decks` (default `None`): draw from a shoe of 1 to 8 decks instead of an infinite deck;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `reveal_dealer` (default `False`): show how the episode ended in its last observation and
      state;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
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

    picture: BlackjackPicture
    state_fields: ClassVar[Fields] = {
        "player cards": attrgetter("_labels"),
        "dealer card": attrgetter("_dealer_labels"),
        "player total": lambda game: str(game._total),
    }
    info_fields: ClassVar[Fields] = {
        "Dealer Card": lambda game: game._dealer_entries[: 1 if game._playing else None],
        "Player Card": lambda game: game._entries.copy(),
    }

    def __init__(
        self,
        natural: bool = False,
        sab: bool = False,
        is_pixel: bool = True,
        decks: int | None = None,
        suits: Suits = "any",
        reveal_dealer: bool = False,
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, game=type(self))
        self.natural = check_flag("natural", natural)
        self.sab = check_flag("sab", sab)
        self.is_pixel = check_flag("is_pixel", is_pixel)
        check_choice("suits", suits, ("any", "red", "black"))
        self.suits: Suits = suits
        self.reveal_dealer = check_flag("reveal_dealer", reveal_dealer)
        self.decks = None if decks is None else check_integer("decks", decks, least=1)
        if self.decks is not None and self.decks > MAX_DECKS:
            raise ValueError(
                f"decks={decks}: expected at most {MAX_DECKS}, or None for an infinite deck"
            )
        numbers = (spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2))
        super().__init__(
            BlackjackPicture(render_style),
            ACTION_NAMES,
            _description(self.natural, self.sab, self.decks),
            render_mode,
            None if self.is_pixel else spaces.Tuple(numbers),
        )

    def expert(self, objective: odds.Objective = "reward") -> tuple[int, str]:
        """Returns the best action, and the reason.

        Args:
            objective: "reward" to play for the highest expected reward, "wins" for the most wins,
                where a draw is as bad as a loss.
        """
        self._require_start()
        check_choice("objective", objective, ("reward", "wins"))
        action = STAND
        # With more than 21 the game is over, but a vector environment asks finished games too.
        if self._total <= 21 and self.decks is not None:
            values = shoe_values(
                [value(card) for card in self._player],
                value(self._dealer[0]),
                self.decks,
                natural=self.natural,
                sab=self.sab,
            )
            stand, hit = values.wins if objective == "wins" else values.rewards
            action = HIT if hit > stand else STAND
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

    def _start(self, parsed: tuple[Hand, Hand] | None) -> None:
        self._shoe = self._full_shoe()
        if parsed is not None:
            player, dealer = parsed
            if self.decks is not None:
                for card in (*player, *dealer):
                    self._shoe.remove(card)
        else:
            if self.decks is None:
                cards = dyed(deal(self.np_random, 4, INFINITE_DECK), self.suits)
            else:
                cards = tuple(self._draw_card() for _ in range(4))
            dealer, player = cards[:2], cards[2:]
        self._player, self._dealer = list(player), list(dealer)
        # What the infos contain of both hands.
        self._total, self._usable_ace = count(self._player)
        self._entries = [_ENTRIES[card] for card in self._player]
        self._dealer_entries = [_ENTRIES[card] for card in self._dealer]
        self._labels = " ".join([label for _, label, _ in self._entries])
        self._dealer_labels = self._dealer_entries[0][1]
        # The reward of an episode that has ended.
        self._result: float | None = None

    def _play(self, action: int) -> tuple[float, bool, bool]:
        if action == HIT:
            card = self._draw_card()
            self._player.append(card)
            self._total, self._usable_ace = count(self._player)
            self._entries.append(_ENTRIES[card])
            self._labels += f" {card.label}"
            if self.is_pixel and not self._undrawn:
                self.picture.hit(card)
            if self._total <= 21:
                return 0.0, False, False
            self._result = -1.0
        else:
            self._dealer = play_dealer(self._dealer, self._draw_card)
            self._dealer_entries = [_ENTRIES[card] for card in self._dealer]
            self._result = settle(self._player, self._dealer, natural=self.natural, sab=self.sab)
        if self.reveal_dealer:
            self._dealer_labels = " ".join([label for _, label, _ in self._dealer_entries])
            if not self._undrawn:
                self._draw()
        return self._result, True, False

    def _draw(self) -> None:
        if self.is_pixel:
            self._draw_into(self.picture, reveal=self.reveal_dealer)

    def _draw_into(self, picture: BlackjackPicture, *, reveal: bool) -> None:
        if reveal and self._result is not None:
            totals = self._total, total(self._dealer)
            picture.end(self._player, self._dealer, totals, self._result, self._jitter)
        else:
            picture.deal(self._player, self._dealer[0], self._jitter)

    def _frame(self) -> Frame:
        if not self.is_pixel:
            # Where the picture is not observed it is drawn on demand.
            self._draw_into(self.picture, reveal=self.reveal_dealer)
        return super()._frame()

    def _rendered(self) -> Frame:
        if self._result is None or self.reveal_dealer:
            return self._frame()
        # On a canvas of its own, because the picture is the observation, which hides the end.
        picture = BlackjackPicture(self.style)
        self._draw_into(picture, reveal=True)
        return picture.frame

    def _observation(self) -> Observation:
        if self.is_pixel:
            return self._frame()
        return self._total, value(self._dealer[0]), int(self._usable_ace)

    @property
    def _shows_frame(self) -> bool:
        return self.is_pixel

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
                f"got {len(dealer)}; the dealer draws further cards when the player stands"
            )
        missing = Counter((*player, *dealer)) - Counter(self._full_shoe())
        if self.decks is not None and missing:
            raise ValueError(
                f"options={dict(options)!r}: expected cards out of decks={self.decks} with "
                f"suits={self.suits!r}, which hold fewer of {min(missing).code}; choose other cards"
            )
        return player, dealer

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            [value(card) for card in self._player],
            value(self._dealer[0]),
            decks=self.decks,
            natural=self.natural,
            sab=self.sab,
            gamma=gamma,
        )

    def _explain(self, action: int) -> str:
        kind = "soft" if self._usable_ace else "hard"
        against = self._dealer[0].label
        return f"{kind} {self._total} against {against}, so I {ACTION_NAMES[action]}"

    def _settings(self) -> tuple[object, ...]:
        settings = (self.natural, self.sab, self.is_pixel, self.decks, self.suits)
        return (*settings, "reveal_dealer") if self.reveal_dealer else settings

    def _full_shoe(self) -> list[Card]:
        return [] if self.decks is None else list(dyed(DECK, self.suits)) * self.decks

    def _draw_card(self) -> Card:
        if self.decks is None:
            card = INFINITE_DECK[self.np_random.integers(len(INFINITE_DECK))]
            return card if self.suits == "any" else dyed((card,), self.suits)[0]
        card = self._shoe[self.np_random.integers(len(self._shoe))]
        self._shoe.remove(card)
        return card


class BlackjackVectorEnv(CardGameVectorEnv):
    """Batch of Blackjack games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = BlackjackEnv


def _description(natural: bool, sab: bool, decks: int | None) -> str:
    bonus = shoe = ""
    if sab:
        bonus = (
            " An ace and a card worth 10 as your first two cards win against everything but "
            "the same hand."
        )
    elif natural:
        bonus = (
            " A win with an ace and a card worth 10 as your first two cards pays one and a half."
        )
    if decks is not None:
        packs = "one deck" if decks == 1 else f"{decks} decks"
        shoe = f" The cards are drawn from {packs} of 52, shuffled before every game."
    return (
        "You are playing blackjack. You see your cards and one of the dealer's two cards. "
        "Number cards count their number, J, Q and K count 10, and an ace counts 11 unless "
        'that takes the hand over 21, else 1. Each turn you choose "hit" to take another card '
        'or "stand" to stop; with more than 21 you lose at once. When you stand, the dealer '
        "draws cards until he has 17 or more, and the better total of at most 21 wins; equal "
        f"totals are a draw.{bonus}{shoe} Your goal is to beat the dealer."
    )
