"""Engine of the household games: the planner's library decides what can be done and its effects.

The library, domain, grammar and names are those of alfworld's own environment, and so are the
texts, commands and facts of every step. What depends on the problem alone is computed once.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from gym_cards.alfworld import packages
from gym_cards.alfworld.engine.language import (
    Binding,
    Condition,
    Entity,
    Speaker,
    parse_grammar,
    predicates,
    words,
)
from gym_cards.alfworld.engine.translation import Fact, translate
from gym_cards.alfworld.ids import number

NOTHING = "Nothing happens."
"""The answer to a command that cannot be done."""

# Grammars of games, which are slow to parse, differ only in the task's sentence.
_TASK = re.compile(r"""(?<="Your task is to: )[\w ,'-]+(?=\.")""")
_ANY_TASK = "UNKNOWN GOAL"

# Libraries are used again: unloading one crashes, and each takes megabytes.
_idle: list[Any] = []
# The copies of the library share a registry, which they fill when they are loaded.
_LIBRARY = threading.Lock()


@dataclass(frozen=True)
class Moment:
    """Answer of the engine to a command.

    Attributes:
        feedback: The answer in words.
        commands: The admissible commands in alphabetical order, each once.
        won: Whether the goal is reached.
    """

    feedback: str
    commands: tuple[str, ...]
    won: bool


class _Grounded(NamedTuple):
    """Operator of the planner; the command is `None` if it depends on the state."""

    name: str
    action: str
    binding: Binding
    command: str | None


class Engine:
    """Engine that plays one game after another.

    A copy of an engine, also in another process, has a library of its own, and plays the same game
    to the same state.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """

    def __init__(self) -> None:
        self._planner: ModuleType = packages.load("fast_downward")
        self._game: Mapping[str, Any] | None = None
        self._played: list[str] = []
        self._take_library()

    def close(self) -> None:
        """Leaves the library to the next engine; a new start takes one again."""
        self._leave()

    def _take_library(self) -> None:
        try:
            self._library = _idle.pop()
        except IndexError:
            with _LIBRARY:
                self._library = self._planner.load_lib()
        # An engine that is garbage-collected leaves its library too.
        self._leave = weakref.finalize(self, _idle.append, self._library)

    def start(self, game: Mapping[str, Any]) -> Moment:
        """Starts a game, given as the contents of its `game.tw-pddl`."""
        if not self._leave.alive:
            self._take_library()
        translation = translate(game["pddl_domain"], game["pddl_problem"])
        text = game["grammar"]
        sentence = _TASK.search(text)
        grammar = parse_grammar(_TASK.sub(_ANY_TASK, text, count=1) if sentence else text)
        # From here on the game before is gone.
        self._game, self._played, self._translation = game, [], translation
        with _LIBRARY:
            self._library.load_sas(translation.sas)
        self._facts: dict[str, set[Fact]] = defaultdict(set)
        for fact in (*self._translation.facts, *self._derived()):
            self._facts[fact[0]].add(fact)
        ids = {id_ for facts in self._facts.values() for fact in facts for id_ in fact[1:]}
        names = {**{id_: id_ for id_ in ids}, **number([id_ for id_ in ids if "_bar_" in id_])}
        self.names: Mapping[str, str] = names
        """The names of things, as commands call them, by id."""
        self._speaker = Speaker(
            grammar, {id_: Entity(id_, name) for id_, name in names.items()}, self._matches
        )
        self._grammar = grammar
        self._operators: dict[int, _Grounded] = {}
        self._said: dict[tuple[str, ...], str] = {}
        feedback = self._speaker.say("#intro#", {})
        if sentence:
            feedback = feedback.replace(_ANY_TASK, sentence[0])
        return self._moment(feedback)

    def step(self, command: str) -> Moment:
        """Plays a command; one that cannot be done has no effect."""
        known = self._commands.get(command.strip())
        if known is None:
            return self._moment(NOTHING)
        self._played.append(command)
        index, effects = known
        atoms = (self._planner.Atom * effects)()
        self._library.apply_operator(index, atoms)
        for atom in atoms:
            fact = _fact(atom.name)
            opposite = fact[0].removeprefix("not_") if _negates(fact) else f"not_{fact[0]}"
            self._facts[opposite].discard((opposite, *fact[1:]))
            self._facts[fact[0]].add(fact)
        done = self._operators[index]
        return self._moment(self._speaker.say(self._grammar.feedback[done.action], done.binding))

    def __getstate__(self) -> dict[str, Any]:
        """Returns what `__setstate__` plays again; the library's state cannot be read."""
        return {"game": self._game, "played": self._played}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Plays the game of another engine."""
        Engine.__init__(self)
        if state["game"] is not None:
            self.start(state["game"])
            for command in state["played"]:
                self.step(command)

    def named(self, predicate: str) -> frozenset[Fact]:
        """Returns all facts of a predicate that hold now."""
        return frozenset(self._facts.get(predicate, ()))

    def facts(self) -> frozenset[Fact]:
        """Returns all facts that hold now, and as `not_…` those that a command made false."""
        return frozenset(fact for facts in self._facts.values() for fact in facts)

    def _derived(self) -> Iterator[Fact]:
        """Yields the facts that the library holds true at the start."""
        atoms = (self._planner.Atom * self._library.get_state_size())()
        self._library.get_state(atoms)
        for atom in atoms:
            fact = _fact(atom.name)
            if not _negates(fact):
                yield fact

    def _moment(self, feedback: str) -> Moment:
        operators = (self._planner.Operator * self._library.get_applicable_operators_count())()
        self._library.get_applicable_operators(operators)
        # Of operators with the same name, and of those with the same command, the first counts.
        names: set[str] = set()
        self._commands: dict[str, tuple[int, int]] = {}
        for operator in operators:
            grounded = self._operators.get(operator.id) or self._ground(operator)
            if grounded.name not in names:
                names.add(grounded.name)
                command = grounded.command or self._command(grounded.action, grounded.binding)
                self._commands.setdefault(command, (operator.id, operator.nb_effect_atoms))
        return Moment(feedback, tuple(sorted(self._commands)), bool(self._library.check_goal()))

    def _ground(self, operator: Any) -> _Grounded:
        """Returns an operator's action, its arguments, and its command if it never changes."""
        name = operator.name
        action, *arguments = name.split()
        parameters = self._translation.parameters[action]
        binding = dict(zip(parameters, arguments, strict=False))
        template = self._grammar.templates[action]
        depends = predicates(template)
        command = None
        if depends is not None and not depends & self._translation.changing:
            mentioned = words(template)
            key = (template, *(id_ for (word, _), id_ in binding.items() if word in mentioned))
            if key not in self._said:
                self._said[key] = self._command(action, binding)
            command = self._said[key]
        grounded = self._operators[operator.id] = _Grounded(name, action, binding, command)
        return grounded

    def _command(self, action: str, binding: Binding) -> str:
        return self._speaker.say(self._grammar.templates[action], binding)

    def _matches(self, conditions: Sequence[Condition], binding: Binding) -> Iterator[Binding]:
        """Yields all ways to bind placeholders to different things, in the order of the facts."""
        if not conditions:
            yield binding
            return
        (predicate, variables), *rest = conditions
        types = self._translation.types
        for _, *arguments in sorted(self._facts.get(predicate, ())):
            bound = dict(binding)
            for variable, argument in zip(variables, arguments, strict=True):
                known = bound.get(variable)
                if known is None:
                    if argument in bound.values() or types[argument] != variable[1]:
                        break
                    bound[variable] = argument
                elif known != argument:
                    break
            else:
                yield from self._matches(rest, bound)


@lru_cache(maxsize=16384)
def _fact(atom: str) -> Fact:
    """Returns the fact of an atom such as "Atom name(a, b)" or "NegatedAtom name(a, b)"."""
    kind, rest = atom.split(" ", 1)
    predicate, arguments = rest.removesuffix(")").split("(", 1)
    prefix = "not_" if kind == "NegatedAtom" else ""
    return (prefix + predicate, *filter(None, arguments.split(", ")))


def _negates(fact: Fact) -> bool:
    return fact[0].startswith("not_")
