"""Command that opens a window in which a game is played by hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

import gym_cards  # noqa: F401  registers the games
from gym_cards.play.app import App, open_window
from gym_cards.play.recording import Recorder
from gym_cards.play.session import Game, Session

_EPILOG = """examples:
  python -m gym_cards.play Points24
  python -m gym_cards.play Points24 target_points=36 hands=solvable --seed 3
  python -m gym_cards.play Blackjack --record blackjack.jsonl
  python -m gym_cards.play Blackjack --record baseline.jsonl --hide-state

A model can learn from a recording: vlm-agent sft --env gym_cards/Blackjack-v0 \\
    --demonstrations blackjack.jsonl --out runs/sft
"""
_WORDS = {"true": True, "false": False, "none": None}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    options = _parser().parse_intermixed_args(argv)
    try:
        if not options.scale > 0:
            raise ValueError(f"--scale {options.scale}: expected a number above 0, such as 1.5")
        kwargs = dict(parse_argument(word) for word in options.arguments)
        recorder = Recorder(options.record) if options.record else None
        seed = _seed() if options.seed is None else options.seed
        game = Game(find_id(options.game), kwargs, seed)
        # Some games take seconds to set up.
        open_window(game.title, options.scale)
        session = Session(game, recorder, hide_state=options.hide_state)
    except (ValueError, OSError, ImportError, gym.error.Error) as error:
        return _fail(error)
    try:
        App(session).run()
    except KeyboardInterrupt:
        return 130
    finally:
        session.close()
    return 0


def _fail(error: Exception) -> int:
    print(f"gym_cards.play: {error}", file=sys.stderr)
    return 1


def find_id(name: str) -> str:
    """Returns the id of a game, given by its id or by its name alone, which means the newest.

    Raises:
        ValueError: If there is no such game; the message lists those of gym_cards.
    """
    if name in gym.registry or ":" in name:
        return name
    wanted = name.casefold().removeprefix("gym_cards/")
    found = [spec for spec in _specs() if spec.name.casefold() == wanted]
    if not found:
        raise ValueError(
            f"there is no game {name!r}: expected an environment's id or one of "
            f"{', '.join(_names())}"
        )
    return max(found, key=lambda spec: spec.version or 0).id


def _specs() -> list[gym.envs.registration.EnvSpec]:
    return [spec for spec in gym.registry.values() if spec.namespace == "gym_cards"]


def _names() -> list[str]:
    return sorted({spec.name for spec in _specs()})


def parse_argument(word: str) -> tuple[str, Any]:
    """Parses a keyword argument of the environment, written as name=value.

    A value is read as JSON where it is JSON (36, true, [1, 2], "text"), with Python's True, False
    and None; else it is a text.

    Raises:
        ValueError: If the word is not such a pair.
    """
    name, equals, text = word.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(
            f"{word!r} is not an argument: expected name=value, such as target_points=36"
        )
    if text.casefold() in _WORDS:
        return name, _WORDS[text.casefold()]
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


def _seed() -> int:
    """Returns a random seed that is short enough to type again."""
    entropy, _ = gym.utils.seeding.np_random()
    return int(entropy.integers(100_000))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gym_cards.play",
        description="Plays a game by hand, in a window.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("game", help=f"one of {', '.join(_names())}, or an environment's id")
    parser.add_argument(
        "arguments", nargs="*", metavar="name=value", help="arguments of the environment"
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of the first episode; the next ones count up from it (default: random)",
    )
    parser.add_argument(
        "--record", metavar="FILE", help="append the episodes to this file, one per line"
    )
    parser.add_argument(
        "--hide-state",
        action="store_true",
        help="show what an agent gets and no more: the picture, the rules and the moves, without "
        "the state in words, hints, or grey buttons",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="size of the window; 1 is 1280 x 800 (default 1)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
