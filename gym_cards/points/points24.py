"""Points24: write a formula with four cards that equals 24."""

from __future__ import annotations

from typing import Unpack

from gym_cards.cards import Suits
from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.points.dealer import Hands
from gym_cards.points.env import Order, PointsEnv, Reasons
from gym_cards.points.rules import POINTS24, Notation, Rules
from gym_cards.points.splits import Split
from gym_cards.render.style import CardStyleOptions


class Points24Env(PointsEnv):
    """Write a formula with four cards that equals 24.

    ## Description
    A picture shows four cards and a formula, which is empty at first. Each action appends a
    number, an operator or a bracket to it, until "=" closes it. It should use the number of each
    card once and equal the target. An ace counts 1; J, Q and K count 10 or, with
    `treat_face_cards_as_10=False`, 11, 12 and 13.

    26.9% of the deals have no solution (J, Q, K as 10); `hands="solvable"` leaves them out.

    ## Action Space
    `Discrete(17)`, or `Discrete(20)` with `treat_face_cards_as_10=False`:

    | Action             | Name                         | Effect                         |
    | ------------------ | ---------------------------- | ------------------------------ |
    | 0 to 9 (12)        | "1" to "10" ("13")           | append the number              |
    | 10 (13) to 15 (18) | "+", "-", "*", "/", "(", ")" | append the operator or bracket |
    | 16 (19)            | "="                          | end the episode                |

    A number that no unused card has is refused: a blank is appended in its place. Operators and
    brackets are never refused.

    ## Observation Space
    `Box(0, 255, (300, 300, 3), uint8)`: a green table with the cards, and the formula below.

    The published picture, the default, does not show all that counts. It writes every token apart,
    although `2 4` counts as 24, `* *` as a power and `/ /` as a floor division. A refused number is
    a wider gap, and nothing at all at the end of the formula; it keeps `2` and `4` from joining.
    The formula's text in `state` is the reverse: it has no gaps except for refused numbers.

    With `notation="as_read"` picture and `state` show what counts: `24`, `**`, `//`, and `_` for a
    refused number. By the exact rules nothing joins, and `2 4` stays apart in both.

    ## Starting State
    Four cards, drawn independently, every rank and suit equally likely. With `hands` or `split` the
    deal is repeated until it is of that kind, so that it is uniform among these. Solvable hands are
    those with a solution by the exact rules.

    `reset(options={"cards": ["H4", "CT", "S6", "DK"]})` sets the cards, solvable or not: a suit
    letter out of C, D, H, S and a rank out of A, 2 to 9, T, J, Q, K.

    ## Rewards
    - 10 for "=" with a correct formula, -1 for "=" with any other;
    - -1 for a number that is refused;
    - -1 for the action that meets a formula of more than 20 tokens, or `5 * num_cards`;
    - 0 otherwise.

    With `rules="published"` a formula is correct if it has used every card and equals the target
    in Python's arithmetic on the tokens' joined text. Its quirks: neighbouring numbers join (2, 4
    is 24) unless a blank is between them, `**`, `//` and signs work, `2(3)` does not, and an exact
    24 that floating point misses, such as `8/(3-8/3)`, does not count. The only departure: values
    of more than 4,096 bits and complex results count as wrong.

    With `rules="exact"` it is the game as people know it: four binary operations on the cards,
    brackets, exact fractions, and every card used once.

    ## Episode End
    - Termination: "=". With `end_when_lost=True` also the token after which no formula can win any
      more, whatever refused numbers have cost. It costs the point that "=" would. If no formula of
      the hand can win, that is the first token.
    - Truncation: an action meets a formula of more than 20 tokens (`5 * num_cards`), blanks
      included; it has no other effect than the reward of -1.

    ## Information
    - `Cards`: the codes of the cards, such as `["H4", "CT", "S6", "DK"]`;
    - `Numbers`: what they count; `Formula`: the tokens so far, numbers as integers;
    - `state`: `{"cards": "4 10 6 K", "current formula": "(4+"}`;
    - `given`: `("current formula",)`, which the published prompt contains;
    - `is_success`: whether the sum of rewards so far is above 0;
    - `action_mask`: 0 for the numbers that would be refused, else 1.

    ## Arguments
    - `treat_face_cards_as_10` (default `True`): whether J, Q and K count 10;
    - `target_points` (default 24): the value to reach;
    - `rules` (default `"published"`): `"published"` or `"exact"`;
    - `num_cards` (default 4): number of cards, 2 to 6;
    - `hands` (default `"any"`): `"any"`, `"solvable"` or `"unsolvable"`; arguments for which no
      hand can be dealt are an error. With six cards it takes a moment to classify a hand;
    - `split` (default `None`): `"train"` or `"test"` for one part of the hands, as
      `gym_cards.points.splits` divides them;
    - `suits` (default `"any"`): `"red"` or `"black"` for cards of those suits alone; the same seed
      deals the same ranks;
    - `order` (default `"dealt"`): `"ascending"` or `"descending"` to lay the cards out by rank;
    - `notation` (default `"published"`): `"as_read"` to write the formula the way it is read;
    - `end_when_lost` (default `False`): whether the episode ends as soon as it cannot be won; up
      to five cards, by the published rules four;
    - `reasons` (default `"plan"`): `"search"` for an expert who writes out a search before the
      first token (`gym_cards.points.search`): what two numbers make and what that leaves, pairs
      that are given up, and one of several formulas. Up to five cards. Where whole numbers from 0
      to 200 do not reach the target, the plan alone is told;
    - `render_mode` (default `None`): `"rgb_array"` or `"human"`;
    - `size` (300), `background` (`None`), `font_scale` (1), `four_colours` (`False`),
      `position_jitter` (0) and `rotation_jitter` (0): the style of the picture, as in
      `gym_cards.render.style.RenderStyle`.

    ## Variants
    | Id                                 | Arguments                         | What is new       |
    | ---------------------------------- | --------------------------------- | ----------------- |
    | `gym_cards/Points24Exact-v0`       | `rules="exact"`                   | no quirks         |
    | `gym_cards/Points24Train-v0`       | `hands="solvable", split="train"` | hands to learn by |
    | `gym_cards/Points24Test-v0`        | `hands="solvable", split="test"`  | unseen hands      |
    | `gym_cards/Points24Faces-v0`       | `treat_face_cards_as_10=False`    | another rule      |
    | `gym_cards/Points24Black-v0`       | `suits="black"`                   | suits to learn by |
    | `gym_cards/Points24Red-v0`         | `suits="red"`                     | unseen suits      |
    | `gym_cards/Points24FourColours-v0` | `four_colours=True`               | unseen colours    |
    | `gym_cards/Points24AsRead-v0`      | `notation="as_read"`              | nothing is hidden |

    ## Version History
    - v0: the published rules.

    ## References
    Zhai et al., "Fine-Tuning Large Vision-Language Models as Decision-Making Agents via
    Reinforcement Learning", 2024, arXiv 2405.10292, which introduced the game.
    """

    def __init__(
        self,
        treat_face_cards_as_10: bool = True,
        target_points: int = 24,
        rules: Rules = "published",
        num_cards: int = 4,
        hands: Hands = "any",
        split: Split | None = None,
        suits: Suits = "any",
        order: Order = "dealt",
        notation: Notation = "published",
        end_when_lost: bool = False,
        reasons: Reasons = "plan",
        render_mode: str | None = None,
        **style: Unpack[CardStyleOptions],
    ) -> None:
        super().__init__(
            POINTS24,
            num_cards=num_cards,
            treat_face_cards_as_10=treat_face_cards_as_10,
            target_points=target_points,
            rules=rules,
            hands=hands,
            split=split,
            suits=suits,
            order=order,
            notation=notation,
            end_when_lost=end_when_lost,
            reasons=reasons,
            inline=False,
            render_mode=render_mode,
            style=style,
        )


class Points24VectorEnv(CardGameVectorEnv):
    """Batch of Points24 games; takes the arguments of `CardGameVectorEnv` and of the game."""

    env_class = Points24Env
