"""Measures how much memory the game Memory needs.

    python benchmarks/memory.py
    python benchmarks/memory.py --env gym_cards/MemorySmall-v0 --episodes 2000

Players that remember the last pictures alone play as well as these let them: they take a pair that
they remember, else turn up cards that they do not remember, at random. A player that sees the
current picture alone can do better than that by a plan: it tries one card with all others in turn,
and reads from the misses left which of them is next. Prints success rates with 95% Wilson
intervals. Nothing is drawn.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import gym_cards  # noqa: F401
from vlm_agent.evaluation import wilson_interval

LENGTHS = (0, 1, 3, 5, 7, 9, 11, 21)
FACE_DOWN, GONE = "?", ""

Codes = Sequence[str]
"""What a picture shows at each place: a card, "?" or nothing."""
Player = Callable[[Sequence[Codes], int, np.random.Generator], int]
"""Chooses a place, given the pictures that it remembers, the present one last, and the misses."""


def _first_card(codes: Codes) -> int | None:
    """Returns the place of the only card that is face up, if there is one."""
    up = [place for place, code in enumerate(codes) if code not in (FACE_DOWN, GONE)]
    return up[0] if len(up) == 1 else None


def remembering(pictures: Sequence[Codes], misses: int, rng: np.random.Generator) -> int:
    """Plays with what some pictures show."""
    now = pictures[-1]
    # Ranks by place, of cards that are still on the table.
    known = {
        place: code[1]
        for codes in pictures
        for place, code in enumerate(codes)
        if code not in (FACE_DOWN, GONE) and now[place] != GONE
    }
    down = [place for place, code in enumerate(now) if code == FACE_DOWN]
    first = _first_card(now)
    ranks = list(known.values())
    for place in down:
        wanted = known[first] if first is not None else known.get(place)
        found = known.get(place) == wanted is not None
        # A found pair is still face up, and has no card that is face down.
        if found and ranks.count(known[place]) == 2:
            return place
    return int(rng.choice([place for place in down if place not in known] or down))


def sweeping(pictures: Sequence[Codes], misses: int, rng: np.random.Generator) -> int:
    """Plays with the current picture, by a plan for which the misses are the clock."""
    now = pictures[-1]
    first = _first_card(now)
    lowest = next(place for place, code in enumerate(now) if code != GONE)
    if first is not None:
        return lowest
    up = [place for place, code in enumerate(now) if code not in (FACE_DOWN, GONE)]
    if up and now[up[0]][1] == now[up[1]][1]:
        # A pair that leaves.
        lowest = next(place for place, code in enumerate(now) if code == FACE_DOWN)
        up = []
    left = [place for place, code in enumerate(now) if code == FACE_DOWN or place in up]
    left.remove(lowest)
    return left[misses % len(left)]


def wins(env_id: str, player: Player, length: int, episodes: int) -> int:
    """Returns how many episodes a player wins that remembers the last pictures."""
    env: Any = gym.make(env_id, disable_env_checker=True).unwrapped
    env.lazy_observations = True
    won = 0
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        env.begin(seed)
        pictures: deque[Codes] = deque(maxlen=length + 1)
        over = False
        while not over:
            info = env.info()
            pictures.append(info["Cards"])
            _, terminated, truncated = env.advance(player(pictures, info["Misses Left"], rng))
            over = terminated or truncated
        won += env.info()["is_success"]
    return won


def main(argv: Sequence[str] | None = None) -> None:
    """Command-line entry point."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--env", default="gym_cards/Memory-v0", help="default gym_cards/Memory-v0")
    parser.add_argument("--episodes", type=int, default=5000, help="default 5000")
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=LENGTHS, help="numbers of earlier pictures"
    )
    arguments = parser.parse_args(argv)
    players: list[tuple[str, Player, int]] = [("0, with a plan", sweeping, 0)]
    players += [(str(length), remembering, length) for length in arguments.lengths]
    print("| earlier pictures | success [95%] |\n| --- | --- |")
    for name, player, length in players:
        won = wins(arguments.env, player, length, arguments.episodes)
        low, high = wilson_interval(won, arguments.episodes)
        print(f"| {name} | {won / arguments.episodes:.1%} [{100 * low:.1f}, {100 * high:.1f}] |")


if __name__ == "__main__":
    main()
