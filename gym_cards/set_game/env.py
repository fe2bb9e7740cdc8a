"""SET: find three cards that are all alike or all different in every feature."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from gym_cards.core.action_values import ActionValues
from gym_cards.core.checks import check_integer, check_options
from gym_cards.core.env import CardGameEnv, Fields, Frame
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.render.style import PlainCardStyleOptions, RenderStyle
from gym_cards.set_game.exact import FOUND, REFUSED, WRONG, exact
from gym_cards.set_game.picture import SETPicture
from gym_cards.set_game.rules import (
    FEATURES,
    INDEX_OF,
    NAMES,
    Places,
    SetCard,
    can_be_dealt,
    card_named,
    deal,
    deck_of,
    sets_among,
)

MAX_STEPS = 6


class SETEnv(CardGameEnv[Frame]):
    """Find three cards that are all alike or all different in every feature.

    ## Description
    The card game SET, with cards of our own. A card has one, two or three equal shapes, which are
    ovals, diamonds or bows, red, blue or orange, and solid, striped or open. Three cards are a set
    if in each of the four features (number, colour, shading and shape) they are all alike or all
    different. Each action picks a card; the third one decides. Every deal has a set. All that is
    needed is in the picture: the game tests how well it is read.

    SET is a trademark of the publisher of that game, with which this package has no connection.

    ## Action Space
    `Discrete(num_cards)`, 12 at first:

    | Action  | Name        | Effect                                                       |
    | ------- | ----------- | ------------------------------------------------------------ |
    | 0 to 11 | "1" to "12" | pick the card of this number; rows are counted from the top  |

    A number that is picked already is refused: nothing changes.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards in rows, each with its number
    in the corner. Picked cards have a thick violet frame.

    ## Starting State
    Different cards, drawn again until at least one set is among them; so all deals with a set are
    equally likely. Of 12 cards, 15% of these have one set, 27% two, 29% three, and 30% more. With
    `num_sets` the cards are drawn until they have exactly so many.

    `reset(options={"cards": ["two red striped ovals", "one blue open bow", …]})` sets the cards,
    with or without a set.

    ## Rewards
    - 10 if the third card makes a set, -1 if not;
    - -1 for a number that is refused;
    - 0 otherwise.

    ## Episode End
    - Termination: three cards are picked.
    - Truncation: six steps were made, four or more of them with refused numbers.

    ## Information
    - `Cards`: the names of the cards, such as `"two red striped ovals"`;
    - `Picked`: the numbers of the picked cards, in their order;
    - `state`: `{"card 1": "two red striped ovals", "card 2": …, "picked": "1 5"}`, with a field for
      each card, and "none" if none is picked;
    - `given`: empty, because prompts contain none of these;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `num_cards` (default 12): the number of cards, 3 to 12;
    - `num_features` (default 4): 4, or 3 for cards that are all solid;
    - `num_sets` (default `None`): the number of sets among the cards, at least 1; `None` for any.
      Arguments for which hardly any deal exists are an error;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `position_jitter` (0) and
      `rotation_jitter` (0): the style of the picture, as in `gym_cards.render.style.RenderStyle`.
      Cards that are moved or turned are smaller, and none covers another one.

    ## Variants
    | Id                      | Arguments                     | What is new                       |
    | ----------------------- | ----------------------------- | --------------------------------- |
    | `gym_cards/SETSmall-v0` | `num_cards=6, num_features=3` | fewer and larger cards, all solid |

    ## Version History
    - v0: first version.

    ## References
    Davis and Maclagan, "The Card Game SET", The Mathematical Intelligencer 25 (3), 2003, on the
    mathematics of the game.
    """

    picture: SETPicture
    # Every environment has its own: a field for each of its cards, and the picked ones.
    state_fields: ClassVar[Fields] = {}
    info_fields: ClassVar[Fields] = {
        "Cards": lambda game: game._names.copy(),
        "Picked": lambda game: [place + 1 for place in game._picked],
    }

    def __init__(
        self,
        num_cards: int = 12,
        num_features: int = 4,
        num_sets: int | None = None,
        render_mode: str | None = None,
        **style: Unpack[PlainCardStyleOptions],
    ) -> None:
        render_style = RenderStyle.of(style, cards=True, suits=False, game=type(self))
        self.num_cards = check_integer("num_cards", num_cards, least=3)
        if self.num_cards > 12:
            raise ValueError(f"num_cards={num_cards}: expected 3 to 12; choose fewer")
        self.num_features = check_integer("num_features", num_features)
        if self.num_features not in (3, 4):
            raise ValueError(f"num_features={num_features}: expected 3 or 4; pass one of them")
        self.num_sets = None if num_sets is None else check_integer("num_sets", num_sets, least=1)
        if not can_be_dealt(self.num_cards, self.num_features, self.num_sets):
            raise ValueError(
                f"num_sets={num_sets} with num_cards={num_cards} and num_features={num_features}: "
                "there are no such deals, or too few to draw them; choose another number of sets, "
                "or None"
            )
        self.state_fields = _state_fields(self.num_cards)  # type: ignore[misc]
        super().__init__(
            SETPicture(self.num_cards, render_style),
            tuple(str(place + 1) for place in range(self.num_cards)),
            _description(self.num_cards, self.num_features),
            render_mode,
        )

    def expert(self) -> tuple[int, str]:
        """Returns the next card of the first set that has all picked cards, and the reason.

        Where there is none, it is the first card that is not picked.
        """
        self._require_start()
        found = self._completed(self._picked)
        rest = found or tuple(range(self.num_cards))
        action = next(place for place in rest if place not in self._picked or self._is_over)
        return action, self.explain(action)

    @property
    def _is_over(self) -> bool:
        return len(self._picked) == 3

    def _start(self, parsed: tuple[SetCard, ...] | None) -> None:
        if parsed is None:
            self._cards, self._sets = deal(
                self.np_random, self.num_cards, self.num_features, self.num_sets
            )
        else:
            self._cards, self._sets = parsed, sets_among(parsed)
        self._names = [NAMES[INDEX_OF[card]] for card in self._cards]
        self._picked: list[int] = []
        self._picked_text = "none"
        self._mask = np.ones(self.num_cards, np.int8)
        self._steps = 0

    def _play(self, action: int) -> tuple[float, bool, bool]:
        self._steps += 1
        if not self._mask[action]:
            return REFUSED, False, self._steps == MAX_STEPS
        self._picked.append(action)
        self._mask[action] = 0
        self._picked_text = " ".join([self.action_names[place] for place in self._picked])
        if not self._undrawn:
            self.picture.mark(action)
        if not self._is_over:
            return 0.0, False, self._steps == MAX_STEPS
        return (FOUND if tuple(sorted(self._picked)) in self._sets else WRONG), True, False

    def _draw(self) -> None:
        self.picture.deal(self._cards, self._picked, self._jitter)

    def _parse(self, options: Mapping[str, Any]) -> tuple[SetCard, ...]:
        check_options(options, ("cards",))
        names = options["cards"]
        if not isinstance(names, (list, tuple)):
            raise ValueError(f"options['cards']={names!r}: expected a list of card names")
        cards = tuple(card_named(name) for name in names)
        deck = deck_of(self.num_features)
        if len(cards) != self.num_cards or len(set(cards)) != len(cards):
            raise ValueError(
                f"options['cards']={names!r}: expected {self.num_cards} different cards, got "
                f"{len(cards)}, of which {len(set(cards))} are different"
            )
        foreign = [card.name for card in cards if card not in deck]
        if foreign:
            raise ValueError(
                f"options['cards']={names!r}: expected solid cards alone with num_features=3, got "
                f"{', '.join(foreign)}"
            )
        return cards

    def _exact(self, gamma: float) -> ActionValues:
        return exact(
            self._sets,
            self._picked,
            places=self.num_cards,
            steps_left=MAX_STEPS - self._steps,
            gamma=gamma,
        )

    def _explain(self, action: int) -> str:
        number = action + 1
        if not self._mask[action]:
            return f"{number} is picked already, so that picking it again is refused"
        if self._is_over:
            return f"three cards are picked, so that it is too late to pick {number}"
        wanted = (*self._picked, action)
        found = self._completed(wanted)
        if found is not None:
            return f"{self._alike(found)}, so I pick {number}"
        if len(wanted) == 3:
            return f"{self._alike(tuple(sorted(wanted)))}, which is no set; I pick {number}"
        others = "".join(f" and {place + 1}" for place in self._picked)
        return f"no set here has {number}{others}; I pick {number}"

    def _completed(self, picked: Sequence[int]) -> Places | None:
        """Returns the first set that has some cards."""
        return next((found for found in self._sets if set(picked) <= {*found}), None)

    def _alike(self, places: Sequence[int]) -> str:
        """Returns in which features three cards are alike: "1, 5 and 9 have the same colour, …"."""
        cards = [self._cards[place] for place in places]
        relations = []
        for feature, name in enumerate(FEATURES):
            if self.num_features == 3 and name == "shading":
                continue
            values = len({card[feature] for card in cards})
            relations.append(
                {1: f"the same {name}", 2: f"two {name}s", 3: f"three {name}s"}[values]
            )
        first, second, last = (place + 1 for place in places)
        return f"{first}, {second} and {last} have {', '.join(relations[:-1])} and {relations[-1]}"

    def _action_mask(self) -> NDArray[np.int8]:
        return self._mask

    def _settings(self) -> tuple[object, ...]:
        return (self.num_cards, self.num_features, self.num_sets)


class SETVectorEnv(CardGameVectorEnv):
    """Batch of SET games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = SETEnv


def _name_at(place: int, game: SETEnv) -> str:
    return game._names[place]


@functools.cache
def _state_fields(num_cards: int) -> Fields:
    """Returns the fields of a state with so many cards; copies and pickles of them work."""
    cards = {f"card {place + 1}": functools.partial(_name_at, place) for place in range(num_cards)}
    return {**cards, "picked": attrgetter("_picked_text")}


def _description(num_cards: int, num_features: int) -> str:
    solid = num_features == 3
    shading = "" if solid else ", and they are solid, striped or open"
    features = "number, colour and shape" if solid else "number, colour, shading and shape"
    return (
        f"You are playing the card game SET. You see {num_cards} cards, each with its number in "
        f"the corner, 1 to {num_cards}. Every card has one, two or three equal shapes: ovals, "
        f"diamonds or bows, which are red, blue or orange{shading}. Three cards are a set if in "
        f"each of the features {features} they are all alike or all different. Each turn you pick "
        "a card by choosing its number; picked cards have a violet frame. A card that is picked "
        "already is refused, which costs a point; after six turns the game ends. With the third "
        "card the game ends. Your goal is to pick three cards that are a set."
    )
