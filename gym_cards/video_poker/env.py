"""VideoPoker: choose which of five cards to hold, and draw the rest."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar, Unpack

from gym_cards.cards import DECK, Card
from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import check_cards, check_options
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.render.style import CardStyleOptions, RenderStyle
from gym_cards.video_poker.exact import exact
from gym_cards.video_poker.picture import VideoPokerPicture
from gym_cards.video_poker.rules import (
    HAND_SIZE,
    HANDS,
    HOLDS,
    Pays,
    code,
    hand_of,
    hold_name,
    pay_table,
    promise,
    take,
)

ACTION_NAMES = tuple(map(hold_name, HOLDS))

# What infos contain of each card.
_CODES = {card: card.code for card in DECK}
_LABELS = {card: code(card) for card in DECK}


class VideoPokerEnv(CardGameEnv[Frame]):
    """Choose which of five cards to hold, draw the rest, and be paid for the final hand.

    ## Description
    Five cards are dealt from a deck of 52. The player chooses once which of them to hold. The
    others are replaced from the rest of the deck, and the final hand is paid by a pay table, which
    is part of the picture. This is a decision under chance with many choices: the best of 32 holds
    is often ahead by little, and depends on what rare hands pay.

    The default is Jacks or Better with the "9/6" table, which pays 9 for a full house and 6 for a
    flush. The best play gets 99.54% of its bets back.

    ## Action Space
    `Discrete(32)`: which cards are held, by their places 1 to 5 from left to right. The bits of the
    action are the places: bit 0 is place 1.

    | Action | Name              | Effect                            |
    | ------ | ----------------- | --------------------------------- |
    | 0      | "hold none"       | five new cards                    |
    | 1      | "hold 1 only"     | four new cards                    |
    | 2      | "hold 2 only"     | four new cards                    |
    | 3      | "hold 1 2 only"   | three new cards                   |
    | …      | …                 | …                                 |
    | 21     | "hold 1 3 5 only" | two new cards                     |
    | …      | …                 | …                                 |
    | 31     | "hold all"        | no new card                       |

    One action decides, instead of one for every card and another to draw: a language model reasons
    about a hand once, the reward follows the choice that earned it, no episode goes on for ever,
    and 32 choices are few for a network. Names end with "only" so that none is part of another
    one. A reply that writes "hold 1, 3" names no action then, instead of "hold 1".

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: the pay table, the five cards, and below each its place.
    After the draw, the final hand: cards that were held are marked, and so is the row of the pay
    table, and the last line says what the hand pays.

    ## Starting State
    Five different cards; all deals are equally likely.

    `reset(options={"cards": ["HJ", "DJ", "C5", "S9", "H2"]})` sets the cards: a suit letter out of
    C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K. The new cards are drawn from the other 47.

    New cards are drawn when the action is played, one for each place, whether or not its card is
    held. So the same seed with another hold brings the same card to a place, which compares holds
    with less noise. A snapshot contains the random numbers: every restored game draws the same
    cards. To try a deal with other luck, set its cards by the options of `reset`, with other seeds.

    ## Rewards
    What the final hand pays less the bet of 1, so that the sum over episodes is what a player has
    won or lost: -1 for nothing, 0 for jacks or better, which pays the bet back, up to 799.

    ## Episode End
    Termination: after one action.

    ## Information
    - `Cards`: the cards as in the options of `reset`, left to right; at the end the final hand;
    - `Held`: the places that were held, such as `[1, 3]`; empty before the draw;
    - `Result`: what the final hand is, such as `"two pair"` or `"nothing"`; empty before the draw;
    - `Payout`: what it pays; 0 before the draw;
    - `state`: `{"cards": "Jh Jd 5c 9s 2h", "hand": "jacks or better"}`: rank and suit of each card,
      and what the hand would pay for as it is;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the reward is above 0, which takes two pair or better. With "9/6" the
      best play for rewards succeeds in 24.00% of all deals, and no play does in more than 24.50%;
      with "all american", which pays two pair just the bet, in 11.64% and 12.24%. Mean returns
      depend on the luck of rare hands too, so that `vlm-agent eval --regret` compares players
      best;
    - `action_mask`: all ones, because no action is refused.

    ## Arguments
    - `pays` (default `"9/6"`): what the hands pay: `"9/6"`, `"8/5"`, `"6/5"` or `"all american"`;
      or an own table, a dictionary with a whole number for each of "jacks or better", "two pair",
      "three of a kind", "straight", "flush", "full house", "four of a kind", "straight flush" and
      "royal flush";
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`. Letters are smaller than `font_scale` says where the pay
      table would leave no room for the cards.

    | `pays`           | The best play gets back | The best play of "9/6" gets back |
    | ---------------- | ----------------------- | -------------------------------- |
    | `"9/6"`          | 99.54%                  | 99.54%                           |
    | `"8/5"`          | 97.30%                  | 97.29%                           |
    | `"6/5"`          | 95.00%                  | 94.99%                           |
    | `"all american"` | 100.72%                 | 97.34%                           |

    `gym_cards.video_poker.exact.game_value` computes these, over all deals and draws.

    ## Variants
    | Id                                   | Arguments             | What is new                 |
    | ------------------------------------ | --------------------- | --------------------------- |
    | `gym_cards/VideoPokerAllAmerican-v0` | `pays="all american"` | straights and flushes pay 8 |

    ## Version History
    - v0: the first version.

    ## References
    - Ethier, "The Doctrine of Chances: Probabilistic Aspects of Gambling", 2010, chapter 17, for
      the optimal play of Jacks or Better and its return of 0.995439.
    """

    picture: VideoPokerPicture
    state_fields: ClassVar[Fields] = {
        "cards": attrgetter("_labels"),
        "hand": lambda game: HANDS[game._hand],
    }
    info_fields: ClassVar[Fields] = {
        "Cards": lambda game: game._codes.copy(),
        "Held": lambda game: [place + 1 for place in game._held],
        "Result": lambda game: HANDS[game._hand] if game._over else "",
        "Payout": lambda game: game.pays[game._hand] if game._over else 0,
    }

    def __init__(
        self,
        pays: str | Mapping[str, int] = "9/6",
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, game=type(self))
        self.pays = pay_table(pays)
        super().__init__(
            VideoPokerPicture(render_style, self.pays),
            ACTION_NAMES,
            _description(self.pays),
            render_mode,
        )

    def _start(self, parsed: tuple[Card, ...] | None) -> None:
        self._deck = list(DECK)
        if parsed is None:
            self._hold(take(self.np_random, self._deck, HAND_SIZE))
        else:
            for card in parsed:
                self._deck.remove(card)
            self._hold(list(parsed))
        self._dealt = tuple(self._cards)
        self._held: tuple[int, ...] = ()
        self._over = False

    def _play(self, action: int) -> tuple[float, bool, bool]:
        self._held = HOLDS[action]
        self._over = True
        # One new card for each place, also for those that are held: whatever is held, the same
        # random numbers give the same card to a place.
        drawn = take(self.np_random, self._deck, HAND_SIZE)
        for place in self._held:
            drawn[place] = self._cards[place]
        self._hold(drawn)
        if not self._undrawn:
            self.picture.draw(self._cards, self._held, self._hand, self._jitter)
        return float(self.pays[self._hand] - 1), True, False

    def _hold(self, cards: list[Card]) -> None:
        """Sets the hand, and what infos contain of it."""
        self._cards = cards
        self._hand = hand_of(cards)
        self._codes = [_CODES[card] for card in cards]
        self._labels = " ".join([_LABELS[card] for card in cards])

    def _draw(self) -> None:
        self.picture.deal(self._dealt, self._jitter)
        if self._over:
            self.picture.draw(self._cards, self._held, self._hand, self._jitter)

    def _parse(self, options: Mapping[str, Any]) -> tuple[Card, ...]:
        check_options(options, ("cards",))
        cards = check_cards("cards", options["cards"], HAND_SIZE)
        if len(set(cards)) != HAND_SIZE:
            raise ValueError(
                f"options['cards']={options['cards']!r}: expected {HAND_SIZE} different cards, "
                "because they come from one deck; choose others"
            )
        return cards

    def _exact(self, gamma: float) -> ActionValues:
        return exact(self._cards, self.pays, gamma)

    def _explain(self, action: int) -> str:
        name = ACTION_NAMES[action]
        held = [self._dealt[place] for place in HOLDS[action]]
        if not held:
            return f"I want five new cards, so I {name}"
        drawn = [card for card in self._dealt if card not in held]
        cards = " ".join(map(code, held))
        return f"with {cards} I have {promise(held, drawn)}, so I {name}"

    def _settings(self) -> tuple[object, ...]:
        return (self.pays,)


class VideoPokerVectorEnv(CardGameVectorEnv):
    """Batch of VideoPoker games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = VideoPokerEnv


def _description(pays: Pays) -> str:
    amounts = ", ".join(f"{name} {pays[HANDS.index(name)]}" for name in reversed(HANDS[1:]))
    return (
        "You are playing video poker. You see five cards from a deck of 52, and what each hand "
        "pays. Choose once which of the cards to hold, by their places 1 to 5 from left to right; "
        "the others are replaced by cards that are drawn from the rest of the deck. A bet of 1 is "
        f"then paid for the best hand that the five cards make: {amounts}. Jacks or better is a "
        "pair of jacks, queens, kings or aces; any other hand is nothing, and the bet is lost. "
        "Cards are written as rank and suit, such as 10h for the ten of hearts and As for the ace "
        "of spades. Your goal is to be paid as much as possible on average."
    )
