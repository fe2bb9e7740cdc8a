"""Two experts: one knows where everything is, the other what it has seen.

Both follow the same plan: find the thing, treat it, bring it. They differ only in their memory. A
player who knows everything never searches; one who has only looked around searches where such
things are likely to be, and gives reasons that name only what is visible or remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gym_cards.alfworld.engine.planner import Engine
from gym_cards.alfworld.games.floor_plans import contents_allowed
from gym_cards.alfworld.games.game import TREATMENTS
from gym_cards.alfworld.games.goals import Goal
from gym_cards.alfworld.scene import Pose, Receptacle, Scene, Thing
from gym_cards.alfworld.sight import Room, all_contents, look, thing_in_words

WORST_CASE = 15
"""The most commands that the player who knows everything needs, from any state of a generated game.

Three to put down what is held (go, open, move), and six for each of at most two things (go, open,
take, go, open, move), or eight for one that has to be treated.
"""

_NOWHERE = Pose(0.0, 0.0)
_ADJECTIVES = {"clean": "clean", "heat": "hot", "cool": "cool"}


@dataclass
class Memory:
    """Knowledge of a player about a game.

    Attributes:
        furniture: All receptacles by name, of which only the place is known.
        here: The names of the receptacles at the place where the player stands.
        pose: That place.
        contents: What was last seen in or on a receptacle, by its name.
        opened: The names of those last seen open.
        held: What the player has in its hand.
    """

    furniture: dict[str, Receptacle] = field(default_factory=dict)
    here: frozenset[str] = frozenset()
    pose: Pose = _NOWHERE
    contents: dict[str, tuple[Thing, ...]] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    held: Thing | None = None

    def see(self, scene: Scene) -> None:
        """Remembers what a scene shows."""
        self.furniture = {piece.name: piece for piece in scene.receptacles}
        self.pose = scene.agent
        self.held = scene.held
        self.here = frozenset(piece.name for piece in scene.here)
        for piece in scene.here:
            self.opened.discard(piece.name)
            if piece.open:
                self.opened.add(piece.name)
            if piece.contents is not None:
                self.contents[piece.name] = piece.contents

    def is_closed(self, name: str) -> bool:
        """Returns whether a receptacle has to be opened, as far as is known."""
        return self.furniture[name].openable and name not in self.opened

    def nearest(self, names: Collection[str]) -> str:
        """Returns the receptacle that takes the fewest commands to use, the nearest of several."""
        return min(names, key=lambda name: (self.cost(name), self.distance(name), name))

    def cost(self, name: str) -> int:
        """Returns the number of commands before a receptacle can be used."""
        return (name not in self.here) + self.is_closed(name)

    def distance(self, name: str) -> float:
        """Returns the distance to a receptacle's place, in metres along the walls."""
        stand = self.furniture[name].stand
        return abs(stand.x - self.pose.x) + abs(stand.z - self.pose.z)

    def of_kind(self, kind: str) -> list[str]:
        """Returns the names of all receptacles of a type."""
        return [name for name, piece in self.furniture.items() if piece.type == kind]

    def known(self, kind: str) -> Iterator[tuple[Thing, str]]:
        """Yields the things of a type whose place is known, with their places."""
        for place, things in self.contents.items():
            for thing in things:
                if thing.type == kind:
                    yield thing, place


def all_knowing(engine: Engine, room: Room) -> Memory:
    """Returns the memory of a player who knows everything."""
    memory = Memory()
    scene = look(engine, room)
    memory.see(scene)
    inside = all_contents(engine, room)
    memory.contents = {room.names[identity]: things for identity, things in inside.items()}
    memory.opened = {piece.name for piece in scene.receptacles if piece.open}
    return memory


Move = tuple[str, str]
"""A command, and a sentence that gives the reason."""


def play(goal: Goal, memory: Memory, commands: Sequence[str]) -> Move:
    """Returns the move of a player with this memory.

    Args:
        goal: The goal of the game.
        memory: The player's knowledge.
        commands: The admissible commands.
    """
    command, reason = _Plan(goal, memory, commands).next()
    if command in commands:
        return command, reason
    return "look", f"I cannot {command} from here, so I look around."


class _Plan:
    def __init__(self, goal: Goal, memory: Memory, commands: Sequence[str]) -> None:
        self.goal = goal
        self.memory = memory
        self.commands = commands
        self.kind = _with_article(goal.target)

    def next(self) -> Move:
        held = self.memory.held
        if held is None:
            return self._fetch()
        if held.type != self.goal.target:
            return self._put_down(held)
        if self.goal.lamp:
            return self._use_lamp(held)
        if not self._is_treated(held):
            return self._treat(held)
        return self._place(held)

    # ----- finding --------------------------------------------------------------------------------

    def _fetch(self) -> Move:
        destination = self._destination() if self.goal.parent else None
        wanted = [
            (thing, place)
            for thing, place in self._targets()
            if place != destination or not self._is_treated(thing)
        ]
        want = self.kind
        if self.goal.count == 2 and any(place == destination for _, place in self._targets()):
            want = f"another {self.goal.target.lower()}"
        if not wanted:
            return self._search(self.goal.target, f"I need {want}")
        steps = {(thing.name, place): self._effort(thing, place) for thing, place in wanted}
        thing, place = min(wanted, key=lambda one: (steps[one[0].name, one[1]], one[0].name))
        need = f"I need {want}, and {thing.name} is in or on {place}"
        return self._reach(place, need) or (
            f"take {thing.name} from {place}",
            f"{need}, so I take it.",
        )

    def _targets(self) -> Iterator[tuple[Thing, str]]:
        return self.memory.known(self.goal.target)

    def _effort(self, thing: Thing, place: str) -> tuple[int, float]:
        """Returns the cost of a thing; one that is treated already saves two commands."""
        treat = 0 if self._is_treated(thing) else 2
        return self.memory.cost(place) + treat, self.memory.distance(place)

    def _search(self, kind: str, need: str) -> Move:
        """Looks where things of the type are likeliest, for the fewest commands.

        Every type of furniture that may hold them is assumed equally likely, and within it every
        piece, so that one table comes before any of twelve drawers.
        """
        memory, allowed = self.memory, contents_allowed()
        unseen = [name for name in memory.furniture if name not in memory.contents]
        # If the thing were where it belongs, the game would be won.
        done = self.goal.parent if self.goal.task_type == "pick_and_place_simple" else None
        likely = [
            name
            for name in unseen
            if memory.furniture[name].type != done
            and kind in allowed.get(memory.furniture[name].type, ())
        ]
        pieces = Counter(piece.type for piece in memory.furniture.values())
        if not unseen:
            return "look", f"{need}, but I have looked everywhere, so I look around again."

        def score(name: str) -> tuple[float, float, str]:
            chance = 1 / pieces[memory.furniture[name].type]
            return -chance / (memory.cost(name) or 1), memory.distance(name), name

        place = min(likely or unseen, key=score)
        if place in memory.here:
            return f"open {place}", f"{need}. {place} is closed, so I open it to look inside."
        return (
            f"go to {place}",
            f"{need} and know of none. It may be at {place}, so I go there.",
        )

    # ----- bringing -------------------------------------------------------------------------------

    def _destination(self) -> str:
        """Returns the furniture to bring things to: where most of them are, else the nearest."""
        memory = self.memory
        inside = Counter(place for _, place in self._targets())
        places = memory.of_kind(self.goal.parent)
        most = max(inside[place] for place in places) if self.goal.count == 2 else 0
        if not most:
            return memory.nearest(places)
        # Always the same one: between two with a thing each, the nearest would change on the way.
        return min(place for place in places if inside[place] == most)

    def _place(self, held: Thing) -> Move:
        place = self._destination()
        need = f"I hold {thing_in_words(held)}, which belongs in or on {place}"
        return self._reach(place, need) or (
            f"move {held.name} to {place}",
            f"{need}, so I put it there.",
        )

    def _is_treated(self, thing: Thing) -> bool:
        treatment = self.goal.treatment
        return treatment is None or bool(getattr(thing, _ADJECTIVES[treatment]))

    def _treat(self, held: Thing) -> Move:
        verb, _, kind = TREATMENTS[self.goal.task_type]
        place = self.memory.nearest(self.memory.of_kind(kind))
        need = f"I hold {held.name}, which has to be {_ADJECTIVES[verb]}"
        if place not in self.memory.here:
            return f"go to {place}", f"{need}, so I go to {place}."
        return f"{verb} {held.name} with {place}", f"{need}, so I {verb} it with {place}."

    def _use_lamp(self, held: Thing) -> Move:
        lamp = self.goal.lamp
        need = f"I hold {held.name} and need {_with_article(lamp)}"
        for thing, place in self.memory.known(lamp):
            if place in self.memory.here:
                return f"use {thing.name}", f"{need}. {thing.name} is here, so I use it."
            return f"go to {place}", f"{need}. {thing.name} is at {place}, so I go there."
        return self._search(lamp, need)

    def _put_down(self, held: Thing) -> Move:
        """Frees the hand, here if something can hold the thing."""
        memory, allowed = self.memory, contents_allowed()
        places = [
            name
            for name, piece in memory.furniture.items()
            if held.type in allowed.get(piece.type, ()) and piece.type != self.goal.parent
        ] or memory.of_kind(self.goal.parent)
        place = memory.nearest(places)
        need = f"I hold {held.name}, but need {self.kind}"
        return self._reach(place, need) or (
            f"move {held.name} to {place}",
            f"{need}, so I put it down on {place}.",
        )

    def _reach(self, place: str, need: str) -> Move | None:
        """Goes to a receptacle and opens it; returns `None` if both are done."""
        if place not in self.memory.here:
            return f"go to {place}", f"{need}, so I go there."
        if self.memory.is_closed(place):
            return f"open {place}", f"{need}. {place} is closed, so I open it."
        return None


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind.lower()}"


def explain(command: str) -> str:
    """Returns a sentence that leads to a command, good or bad, and claims nothing unknown."""
    verb, _, rest = command.partition(" ")
    reasons: Mapping[str, str] = {
        "go": f"I want to see what is there, so I go {rest}.",
        "open": f"I want to see what is in {rest}, so I open it.",
        "close": f"I am done with {rest}, so I close it.",
        "take": f"It may be useful, so I take {rest}.",
        "move": f"I want my hand free, so I move {rest}.",
        "use": f"I want to know what it does, so I use {rest}.",
        "examine": f"I want to know more of it, so I examine {rest}.",
        "inventory": "I want to know what I carry, so I check my inventory.",
        "look": "I want to know where I am, so I look around.",
        "help": "I want to know what I can do, so I ask for help.",
    }
    return reasons.get(verb, f"I want to see what comes of it, so I {command}.")
