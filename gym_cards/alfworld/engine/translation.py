"""Cached translation of PDDL problems to what the planner's library runs.

The translation takes almost all of the time that alfworld needs for a reset. The compressed results
of the games played last are cached, for all environments of a process.
"""

from __future__ import annotations

import gc
import hashlib
import pickle
import sys
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass

from gym_cards.alfworld import packages

Fact = tuple[str, ...]
"""A predicate and the ids for which it holds."""

KEPT = 256
"""The number of cached translations, of about 0.1 MB each."""

_LOCK = threading.Lock()
_packed: OrderedDict[bytes, bytes] = OrderedDict()


@dataclass(frozen=True)
class Translation:
    """Grounded problem.

    Attributes:
        sas: The grounded problem, as the library reads it.
        types: The type of every id.
        facts: The facts at the start, except for derived ones, which only the library knows.
        parameters: The name and type of every parameter of an action.
        changing: The predicates that actions change.
    """

    sas: bytes
    types: dict[str, str]
    facts: tuple[Fact, ...]
    parameters: dict[str, tuple[tuple[str, str], ...]]
    changing: frozenset[str]


def translate(domain: str, problem: str) -> Translation:
    """Returns the translation of a problem, from the cache if it is there.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """
    key = hashlib.sha256(f"{domain}\0{problem}".encode()).digest()
    with _LOCK:
        if key in _packed:
            _packed.move_to_end(key)
            known: Translation = pickle.loads(zlib.decompress(_packed[key]))
            return known
        translation = _translate(domain, problem)
        _packed[key] = zlib.compress(pickle.dumps(translation), level=1)
        while len(_packed) > KEPT:
            _packed.popitem(last=False)
        return translation


def _translate(domain: str, problem: str) -> Translation:
    planner = packages.load("fast_downward")
    # The translator reads options from sys.argv and swaps sys.stdout while it works. It creates
    # many objects, few of them in cycles: garbage collection would take a sixth of its time.
    arguments, output, collects = sys.argv, sys.stdout, gc.isenabled()
    gc.disable()
    try:
        task, sas = planner.pddl2sas(domain, problem)
    finally:
        sys.argv, sys.stdout = arguments, output
        if collects:
            gc.enable()
    facts: list[Fact] = []
    for atom in task.init:
        # Numbers, such as costs and distances, are not facts.
        if hasattr(atom, "predicate") and atom.predicate != "=":
            facts.append((atom.predicate, *atom.args))
    return Translation(
        sas.encode(),
        {thing.name: thing.type_name for thing in task.objects},
        tuple(facts),
        {
            action.name: tuple((p.name.strip("?"), p.type_name) for p in action.parameters)
            for action in task.actions
        },
        frozenset(effect.literal.predicate for action in task.actions for effect in action.effects),
    )
