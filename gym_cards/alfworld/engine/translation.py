"""Cached translation of PDDL problems to what the planner's library runs.

The translation takes almost all of the time that alfworld needs for a reset. The compressed results
of the games played last are cached, for all environments of a process.
"""

from __future__ import annotations

import builtins
import gc
import hashlib
import io
import pickle
import sys
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any

from gym_cards.alfworld import packages

Fact = tuple[str, ...]
"""A predicate and the ids for which it holds."""

KEPT = 256
"""The number of cached translations, of about 35 kB each."""

MOST_KEPT = 4096
"""The largest number that `keep` makes of it: more than the games of any published split."""

_LOCK = threading.Lock()
_packed: OrderedDict[bytes, bytes] = OrderedDict()
_kept = KEPT


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


def keep(games: int) -> None:
    """Keeps as many translations as a list has games, which all come again, up to `MOST_KEPT`."""
    global _kept
    with _LOCK:
        _kept = max(_kept, min(games, MOST_KEPT))


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
        _packed[key] = zlib.compress(pickle.dumps(translation))
        while len(_packed) > _kept:
            _packed.popitem(last=False)
        return translation


_TRANSLATOR = "fast_downward.translate"
# What alfworld sets: nothing of the problem is left out, so that all operators are there.
_OPTIONS = {
    "filter_unimportant_vars": False,
    "filter_unreachable_facts": False,
    "use_partial_encoding": False,
    "skip_variable_reordering": True,
    "add_implied_preconditions": False,
    "invariant_generation_max_candidates": 0,
}


class _Quiet(threading.local):
    """Whether the translator prints nothing in this thread."""

    on = False


_quiet = _Quiet()


def _print(*values: object, **options: Any) -> None:
    """Prints, except for the progress of a translation that this module runs."""
    if not _quiet.on or options.get("file") is not None:
        builtins.print(*values, **options)  # noqa: T201 - the translator's own


@lru_cache(maxsize=1)
def _translator() -> tuple[ModuleType, ...]:
    """Returns the translator's modules for its options, parsing, normal form and translation.

    `fast_downward.pddl2sas` swaps `sys.argv` and `sys.stdout` in every call, under the feet of all
    other threads. The options read `sys.argv` only when they are imported, and printing is silenced
    in the translator's own modules, so that neither is touched afterwards.
    """
    arguments = sys.argv
    sys.argv = ["translate.py", "domain", "task"]
    try:
        modules = tuple(
            packages.load(f"{_TRANSLATOR}.{name}")
            for name in ("options", "pddl_parser", "normalize", "translate")
        )
    finally:
        sys.argv = arguments
    for name, module in list(sys.modules.items()):
        if name.startswith(_TRANSLATOR):
            vars(module)["print"] = _print
    # It flushes the output too, which a process may not have.
    vars(packages.load(f"{_TRANSLATOR}.timers"))["sys"] = SimpleNamespace(stdout=io.StringIO())
    return modules


def _translate(domain: str, problem: str) -> Translation:
    options, parser, normalize, translator = _translator()
    vars(options).update(_OPTIONS)
    # The translator creates many objects, few of them in cycles: garbage collection would take a
    # sixth of its time.
    collects = gc.isenabled()
    gc.disable()
    _quiet.on = True
    try:
        task = parser.parsing_functions.parse_task(
            *(parser.lisp_parser.parse_nested_list(text.split("\n")) for text in (domain, problem))
        )
        normalize.normalize(task)
        written = io.StringIO()
        translator.pddl_to_sas(task).output(written)
    finally:
        _quiet.on = False
        if collects:
            gc.enable()
    facts: list[Fact] = []
    for atom in task.init:
        # Numbers, such as costs and distances, are not facts.
        if hasattr(atom, "predicate") and atom.predicate != "=":
            facts.append((atom.predicate, *atom.args))
    return Translation(
        written.getvalue().encode(),
        {thing.name: thing.type_name for thing in task.objects},
        tuple(facts),
        {
            action.name: tuple((p.name.strip("?"), p.type_name) for p in action.parameters)
            for action in task.actions
        },
        frozenset(effect.literal.predicate for action in task.actions for effect in action.effects),
    )
