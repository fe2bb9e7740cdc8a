"""Ids of things in a game's problem: a type and coordinates, written in letters.

A thing is `Mug|+01.25|+00.90|-00.35`, a place to stand `loc|5|-3|2|30`. PDDL does not allow these
signs, so that they are spelled out, and the planner turns everything into lower case.
"""

from __future__ import annotations

from functools import lru_cache

from gym_cards.alfworld.scene import Pose

CELL = 0.25
"""The distance of neighbouring places to stand, in metres."""
AGENT = "agent1"

_SIGNS = {"-": "_minus_", "|": "_bar_", "+": "_plus_", ".": "_dot_", ",": "_comma_"}


def spell(text: str) -> str:
    """Returns an id with its signs spelled out."""
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    return text


def unspell(text: str) -> str:
    """Returns the id that was spelled out."""
    for sign, word in _SIGNS.items():
        text = text.replace(word, sign)
    return text


def thing_id(kind: str, position: tuple[float, float, float]) -> str:
    """Returns the id of a thing of a type at x, height and z, in metres."""
    x, height, z = (f"{value:+06.2f}" for value in position)
    if kind.endswith("Basin"):
        return f"{kind.removesuffix('Basin')}|{x}|{height}|{z}|{kind}"
    return f"{kind}|{x}|{height}|{z}"


def kind_of(identity: str) -> str:
    """Returns the type in an id, in the id's own case: `SinkBasin` for `Sink|…|SinkBasin`."""
    first, *rest = identity.split("|")
    return rest[-1] if rest and rest[-1].lower().endswith("basin") else first


@lru_cache(maxsize=8192)
def position_of(identity: str) -> tuple[float, float, float]:
    """Returns x, height and z of a thing, in metres, from its id."""
    x, height, z = map(float, identity.split("|")[1:4])
    return x, height, z


def place_id(pose: Pose) -> str:
    """Returns the id of a place to stand."""
    return f"loc|{round(pose.x / CELL)}|{round(pose.z / CELL)}|{pose.rotation}|{pose.horizon}"


@lru_cache(maxsize=8192)
def pose_of(identity: str) -> Pose:
    """Returns the place to stand of an id."""
    x, z, rotation, horizon = map(int, identity.split("|")[1:5])
    return Pose(x * CELL, z * CELL, rotation, horizon)


def number(identities: list[str]) -> dict[str, str]:
    """Returns the names that commands use, `mug 1`, `mug 2`, …, for ids that are spelled out.

    As in alfworld, the last id of a type in alphabetical order is number 1.
    """
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for identity in sorted(map(str.lower, identities), reverse=True):
        kind = identity.split("_bar_", 1)[0] + ("basin" if "basin" in identity else "")
        counts[kind] = counts.get(kind, 0) + 1
        names[identity] = f"{kind} {counts[kind]}"
    return names
