"""View of the engine's facts that the agent has, as a scene to draw and as fields to read out.

Players, pictures and prompts get all of their knowledge from here, so that none can know more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gym_cards.alfworld.engine.planner import Engine
from gym_cards.alfworld.games.floor_plans import type_names
from gym_cards.alfworld.ids import AGENT, pose_of, position_of, unspell
from gym_cards.alfworld.scene import Pose, Receptacle, Scene, Thing

TASK_DESCRIPTION = (
    "You are a robot in a house and do a chore, one command at a time. The picture shows the place "
    "where you stand, with what is in or on the furniture there and what you hold, and a map of "
    "the room. Things may be anywhere in the room where such things are kept: go to furniture to "
    "see what is there, and open what is closed to see inside. You can hold one thing at a time. "
    "Heat a thing in a microwave, cool it in a fridge, and clean it in a sink basin. To look at a "
    "thing under a lamp, hold it and use the lamp. Only the listed commands can be done; any other "
    "does nothing."
)
"""The rules of all games, as a person would be told."""

_CHANGES = {
    "ishot": "hot",
    "iscool": "cool",
    "isclean": "clean",
    "issliced": "sliced",
    # Not the domain's `isOn`: what the texts call on is what was toggled once.
    "istoggled": "on",
}


@dataclass(frozen=True)
class Room:
    """Part of a game that does not change.

    Attributes:
        furniture: The receptacles by id, closed and with nothing visible.
        kinds: The types of the things by id.
        names: The names of everything by id.
        floor: As in a scene.
    """

    furniture: Mapping[str, Receptacle]
    kinds: Mapping[str, str]
    names: Mapping[str, str]
    floor: frozenset[tuple[float, float]]


def room_of(engine: Engine, floor: Iterable[tuple[float, float]]) -> Room:
    """Returns the room of the game that the engine plays.

    Args:
        engine: After the start of a game.
        floor: Every (x, z) where the agent can walk; places in use are added.
    """
    places = {fact[1]: fact[2] for fact in engine.named("receptacleatlocation")}
    openable = {fact[1] for fact in engine.named("openable")}
    furniture = {
        identity: Receptacle(
            engine.names[identity],
            _type(kind),
            position_of(unspell(identity)),
            pose_of(unspell(places[identity])),
            openable=identity in openable,
        )
        for _, identity, kind in sorted(engine.named("receptacletype"))
        if identity in places
    }
    return Room(
        furniture,
        {identity: _type(kind) for _, identity, kind in engine.named("objecttype")},
        engine.names,
        frozenset(floor)
        | {(piece.stand.x, piece.stand.z) for piece in furniture.values()}
        | {agent_pose(engine)[:2]},
    )


def agent_pose(engine: Engine) -> Pose:
    """Returns the agent's place."""
    ((_, _, place),) = (fact for fact in engine.named("atlocation") if fact[1] == AGENT)
    return pose_of(unspell(place))


def look(engine: Engine, room: Room) -> Scene:
    """Returns what the agent sees: the contents of open receptacles here, and its hand."""
    here = agent_pose(engine)
    contents = all_contents(engine, room)
    opened = {identity for _, identity in engine.named("opened")}
    seen = []
    for identity, piece in room.furniture.items():
        is_open = identity in opened
        visible = piece.stand == here and (is_open or not piece.openable)
        seen.append(replace(piece, open=is_open, contents=contents[identity] if visible else None))
    return Scene(here, tuple(seen), room.floor, held_thing(engine, room))


def all_contents(engine: Engine, room: Room) -> dict[str, tuple[Thing, ...]]:
    """Returns the contents of every receptacle by its id, visible or not, ordered by name."""
    found: dict[str, list[Thing]] = {identity: [] for identity in room.furniture}
    things = _things(engine, room)
    for _, identity, place in engine.named("inreceptacle"):
        if place in found:
            found[place].append(things[identity])
    return {place: tuple(sorted(inside, key=_order)) for place, inside in found.items()}


def held_thing(engine: Engine, room: Room) -> Thing | None:
    """Returns the thing in the agent's hand."""
    for _, _, identity in engine.named("holds"):
        return _things(engine, room)[identity]
    return None


def _things(engine: Engine, room: Room) -> dict[str, Thing]:
    """Returns every thing in its present state, by its id."""
    changes: dict[str, dict[str, bool]] = {identity: {} for identity in room.kinds}
    for predicate, change in _CHANGES.items():
        for _, identity in engine.named(predicate):
            changes[identity][change] = True
    inside: dict[str, list[str]] = {}
    # A thing that is also in or on furniture is shown there.
    elsewhere = {fact[1] for fact in engine.named("inreceptacle")}
    for _, identity, outer in engine.named("inreceptacleobject"):
        if identity not in elsewhere:
            inside.setdefault(outer, []).append(identity)

    def thing(identity: str) -> Thing:
        within = sorted(map(thing, inside.get(identity, ())), key=_order)
        return Thing(
            room.names[identity],
            room.kinds[identity],
            contents=tuple(within),
            **changes[identity],
        )

    return {identity: thing(identity) for identity in room.kinds}


def _order(thing: Thing) -> tuple[str, int]:
    kind, _, count = thing.name.rpartition(" ")
    return kind, int(count)


def _type(word: str) -> str:
    """Returns the type that the planner writes as `mugtype`, in the domain's spelling."""
    name = word.removesuffix("type")
    return type_names().get(name, name)


# ----- in words -----------------------------------------------------------------------------------


FIELDS = ("location", "visible objects", "inventory")
"""Names of the fields of `describe`."""


def describe(scene: Scene) -> dict[str, str]:
    """Returns what a picture of the scene shows, field by field."""
    return {
        "location": ", ".join(sorted(piece.name for piece in scene.here)) or "middle of the room",
        "visible objects": "; ".join(
            f"{piece.name}: {in_words(piece)}"
            for piece in sorted(scene.here, key=lambda piece: piece.name)
        )
        or "nothing",
        "inventory": "nothing" if scene.held is None else thing_in_words(scene.held),
    }


def in_words(piece: Receptacle) -> str:
    """Returns what is visible in or on a receptacle where the agent stands."""
    if piece.contents is None:
        return "closed"
    return ", ".join(map(thing_in_words, piece.contents)) or "nothing"


def thing_in_words(thing: Thing) -> str:
    """Returns a thing's name and state."""
    looks = [word for word in ("hot", "cool", "clean", "sliced") if getattr(thing, word)]
    return " ".join([*looks, thing.name, *(["(on)"] if thing.on else [])])
