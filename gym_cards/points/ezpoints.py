"""EZPoints: write a formula with two cards that equals 12."""

from __future__ import annotations

from typing import Unpack

from gym_cards.cards import Suits
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.points.dealer import Hands
from gym_cards.points.env import Order, PointsEnv
from gym_cards.points.rules import EZPOINTS, Notation
from gym_cards.points.splits import Split
from gym_cards.render.style import CardStyleOptions


class EZPointsEnv(PointsEnv):
    """Write a formula with two cards that equals 12.

    ## Description
    A picture shows two cards and a formula, which is empty at first. Each action appends a number
    or an operator to it, until "=" closes it. It should use the number of each card once and
    equal the target. An ace counts 1; J, Q and K count 10 or, with `treat_face_cards_as_10=False`,
    11, 12 and 13. Every deal can be won if `hands` is "solvable".

    ## Action Space
    `Discrete(13)`, or `Discrete(16)` with `treat_face_cards_as_10=False`:

    | Action           | Name               | Effect              |
    | ---------------- | ------------------ | ------------------- |
    | 0 to 9 (12)      | "1" to "10" ("13") | append the number   |
    | 10, 11 (13, 14)  | "+", "*"           | append the operator |
    | 12 (15)          | "="                | end the episode     |

    A number that no unused card has is refused: a blank is appended in its place. Operators are
    never refused.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards, and "Formula: …" below.

    The published picture, the default, does not show all that counts. It writes every token apart,
    although `1 2` counts as 12 and `* *` as a power. A refused number is a wider gap, and nothing
    at all at the end of the formula; it keeps `1` and `2` from joining. The formula's text in
    `state` is the reverse: it has no gaps except for refused numbers.

    With `notation="as_read"` picture and `state` show what counts: `12`, `**`, and `_` for a
    refused number.

    ## Starting State
    The first card's rank is uniform in 2 to K. If its value is 2, 3, 4 or 6, the second card's is
    12 divided by it with probability 1/2; otherwise it is 12 minus it. Suits are uniform, and the
    two are swapped with probability 1/2. It is a quirk of the published game that the second card
    is never a J, Q or K.

    With another target, more cards, faces as 11 to 13, or other `hands`, cards are drawn
    independently, every rank and suit equally likely, until `hands` allows them: the ranks are then
    uniform over all ordered hands that it allows. Solvable hands are those with a solution by + and
    *. `split` leaves out the hands of the other part; the odds among the rest stay the same.

    `reset(options={"cards": ["HA", "CT"]})` sets the cards: a suit letter out of C, D, H, S and a
    rank out of A, 2 to 9, T, J, Q, K. Cards that cannot reach the target are accepted too.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 5 tokens, or `2 * num_cards + 1`;
    - 0 otherwise.

    Quirks of the published rules: formulas follow Python's arithmetic on the tokens' joined text,
    so that neighbouring numbers join (1, 2 is 12) unless a blank is between them, two `*` make a
    power, and a leading + is a sign.

    ## Episode End
    - Termination: "=". With `end_when_lost=True` also the token after which no formula can win any
      more, whatever refused numbers have cost. It costs the point that "=" would. If no formula of
      the hand can win, that is the first token.
    - Truncation: an action meets a formula of more than 5 tokens (`2 * num_cards + 1`), blanks
      included; it has no other effect than the reward of -1.

    ## Information
    - `Cards`: the codes of the cards, such as `["HA", "CT"]`;
    - `Numbers`: what they count; `Formula`: the tokens so far, numbers as integers;
    - `state`: `{"cards": "9 3", "current formula": "9+"}`;
    - `given`: `("current formula",)`, which the published prompt contains;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `target_points` (default 12): the value to reach; a value that no hand reaches is an error;
    - `treat_face_cards_as_10` (default `True`): whether J, Q and K count 10;
    - `num_cards` (default 2): number of cards, 2 to 6;
    - `hands` (default `"solvable"`): `"solvable"`, `"unsolvable"` or `"any"`;
    - `split` (default `None`): `"train"` or `"test"` for one part of the hands, as
      `gym_cards.points.splits` divides them;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `order` (default `"dealt"`): `"ascending"` or `"descending"` to lay the cards out by rank;
    - `notation` (default `"published"`): `"as_read"` to write the formula the way it is read;
    - `end_when_lost` (default `False`): whether the episode ends as soon as it cannot be won;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`.

    ## Variants
    | Id                           | Arguments       | What is new                          |
    | ---------------------------- | --------------- | ------------------------------------ |
    | `gym_cards/EZPointsTrain-v0` | `split="train"` | hands to learn from                  |
    | `gym_cards/EZPointsTest-v0`  | `split="test"`  | hands that are in no train episode   |

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    def __init__(
        self,
        target_points: int = 12,
        treat_face_cards_as_10: bool = True,
        num_cards: int = 2,
        hands: Hands = "solvable",
        split: Split | None = None,
        suits: Suits = "any",
        order: Order = "dealt",
        notation: Notation = "published",
        end_when_lost: bool = False,
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        super().__init__(
            EZPOINTS,
            num_cards=num_cards,
            treat_face_cards_as_10=treat_face_cards_as_10,
            target_points=target_points,
            rules="published",
            hands=hands,
            split=split,
            suits=suits,
            order=order,
            notation=notation,
            end_when_lost=end_when_lost,
            reasons="plan",
            inline=True,
            render_mode=render_mode,
            style=style,
        )


class EZPointsVectorEnv(CardGameVectorEnv):
    """Batch of EZPoints games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = EZPointsEnv
