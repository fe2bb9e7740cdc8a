"""The benchmark sets. A published set never changes: what changes is a set of a new name.

The limits are exact: those of Points24 by `gym_cards.points.solver.winnable_share`, of Blackjack by
`gym_cards.blackjack.odds.game_value("wins")` and, with one deck, by `gym_cards.blackjack.shoe`, of
VideoPoker by `gym_cards.video_poker.exact.game_value`; in all other tasks every episode can be won.
`random` and `steps` are those of `vlm-agent eval --policy random --episodes 10000 --seed 1`, and in
the household those of all its games.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_agent.config.options import did_you_mean
from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet, BenchmarkTask


def _task(
    name: str,
    episodes: int,
    random: float,
    limit: float,
    steps: float,
    checksum: str,
    *,
    env: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
    of: str | None = None,
    new: str = "",
    seen_in: tuple[str, ...] = (),
    all_games: bool = False,
) -> BenchmarkTask:
    """Returns a task in the environment of its name, or in `env`."""
    return BenchmarkTask(
        name=name,
        env=f"gym_cards/{env or name}-v0",
        episodes=episodes,
        random=random,
        limit=limit,
        steps=steps,
        checksum=checksum,
        env_kwargs=kwargs or {},
        variant_of=of,
        new=new,
        seen_in=tuple(f"gym_cards/{each}-v0" for each in seen_in),
        all_games=all_games,
    )


# Environments that deal all hands, those of the test part included.
_ALL_EZPOINTS = ("EZPoints",)
_ALL_POINTS24 = (
    "Points24",
    "Points24Exact",
    "Points24Faces",
    "Points24Black",
    "Points24Red",
    "Points24FourColours",
    "Points24AsRead",
)
# Playing for wins, with an infinite deck.
_BLACKJACK = 0.4316295136252475

GYM_CARDS_1 = BenchmarkSet(
    name="gym-cards-1",
    title="Eight card games as pictures, and sixteen variants of them to test what was learned.",
    seed=1000,
    tasks=(
        _task("NumberLine", 200, 0.2759, 1.0, 6.2, "1cfc50b1013d743b"),
        _task("EZPoints", 200, 0.0005, 1.0, 5.6, "97ef769d56742ad4"),
        _task("Points24", 200, 0.0, 26173 / 28561, 12.6, "8d13cc5819704b47"),
        _task("Blackjack", 1000, 0.2778, _BLACKJACK, 1.4, "69c69d69c8bebac8"),
        _task("Memory", 100, 0.0, 1.0, 11.4, "169b405c989a7c45"),
        _task("SET", 200, 0.0124, 1.0, 3.3, "2357d8120691d013"),
        _task("VideoPoker", 1000, 0.0763, 0.24500697697294377, 1.0, "2ea4cc9ef579aa9e"),
        _task("FreeCell", 50, 0.0, 1.0, 118.0, "5b765b9aca3c017a"),
        _task("NumberLineLong", 100, 0.1101, 1.0, 28.8, "07359adb926f7517",
              of="NumberLine", new="numbers up to 20"),
        _task("NumberLineDrawn", 200, 0.2759, 1.0, 6.2, "3586e47bb6b45c57",
              of="NumberLine", new="a drawn line"),
        _task("EZPointsTest", 200, 0.0004, 1.0, 5.6, "f39426cb570670b7",
              of="EZPoints", new="hands of the test part", seen_in=_ALL_EZPOINTS),
        _task("EZPointsFaces", 200, 0.0004, 1.0, 5.8, "e41708988926c86d",
              of="EZPoints", new="J, Q, K count 11 to 13",
              env="EZPoints", kwargs={"treat_face_cards_as_10": False}),
        _task("Points24Test", 200, 0.0, 1.0, 12.6, "a44eb4f2a15ab2a0",
              of="Points24", new="hands of the test part", seen_in=_ALL_POINTS24),
        _task("Points24FacesSolvable", 200, 0.0, 1.0, 13.6, "824285eb85311ae6",
              of="Points24", new="J, Q, K count 11 to 13",
              env="Points24", kwargs={"treat_face_cards_as_10": False, "hands": "solvable"}),
        _task("Points24To36", 200, 0.0, 1.0, 12.6, "84672e5144eea5cd",
              of="Points24", new="36 in place of 24",
              env="Points24", kwargs={"target_points": 36, "hands": "solvable"}),
        _task("Points24FourColours", 200, 0.0, 26173 / 28561, 12.6, "d6f90853d95f16b8",
              of="Points24", new="a colour for each suit"),
        _task("BlackjackDeck", 500, 0.2817, 0.43461075606447475, 1.4, "a65679b04731a98e",
              of="Blackjack", new="one deck, tens among it"),
        _task("BlackjackTilted", 500, 0.2778, _BLACKJACK, 1.4, "6e007e617daaeade",
              of="Blackjack", new="cards moved and turned",
              env="Blackjack", kwargs={"position_jitter": 12, "rotation_jitter": 15}),
        _task("MemorySmall", 100, 0.0009, 1.0, 7.6, "2489c5368f60c667",
              of="Memory", new="four pairs, not six"),
        _task("MemoryLarge", 100, 0.0, 1.0, 23.2, "f7d22d1b046b4983",
              of="Memory", new="twelve pairs, not six"),
        _task("SETSmall", 200, 0.0594, 1.0, 3.7, "8b490db9bd66acfc",
              of="SET", new="six cards, all solid"),
        _task("SETTilted", 200, 0.0124, 1.0, 3.3, "6a9e6b8f89f067af",
              of="SET", new="cards moved and turned",
              env="SET", kwargs={"position_jitter": 8, "rotation_jitter": 15}),
        _task("VideoPokerAllAmerican", 500, 0.0308, 0.12235680275745897, 1.0, "92b4b7f024d02613",
              of="VideoPoker", new="another pay table"),
        _task("FreeCellTiny", 100, 0.0065, 1.0, 38.3, "a52bec3086a61e25",
              of="FreeCell", new="8 cards, not 24"),
    ),
)  # fmt: skip

ALFWORLD_1 = BenchmarkSet(
    name="alfworld-1",
    title="All of ALFRED's tasks of the validation splits, in rooms of training and in new ones.",
    seed=1000,
    tasks=(
        _task(
            "ALFWorldSeen", 172, 0.0, 1.0, 50, "be6085ec33513b4d", env="ALFWorld", all_games=True,
            kwargs={"split": "valid_seen", "games": "alfred"},
        ),
        _task(
            "ALFWorldUnseen", 156, 0.0, 1.0, 50, "bc448ce9214ef552", env="ALFWorld", all_games=True,
            kwargs={"split": "valid_unseen", "games": "alfred"}, of="ALFWorldSeen",
            new="rooms of no training game",
        ),
    ),
)  # fmt: skip

SETS = {each.name: each for each in (GYM_CARDS_1, ALFWORLD_1)}


def find_set(name: str) -> BenchmarkSet:
    """Returns a set by its name.

    Raises:
        ValueError: If there is none; names the sets that there are.
    """
    if name not in SETS:
        raise ValueError(
            f"no benchmark set {name!r}{did_you_mean(name, SETS)}: expected one of "
            f"{', '.join(SETS)}"
        )
    return SETS[name]
