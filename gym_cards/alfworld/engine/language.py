"""alfworld's grammar, parsed once, and the texts that it gives for a state.

TextWorld parses a template each time that it is used and copies its state along the way. Here
templates are parsed once and nothing is copied; the texts are the same. Expressions are read, not
run: they are names, attributes, strings, sums of them, and alternatives by `or`.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gym_cards.alfworld import packages

# TextWorld's parsers keep what they are reading in the parser itself, one for all threads.
_PARSING = threading.RLock()

Variable = tuple[str, str]
"""The name and the type of a placeholder."""
Binding = Mapping[Variable, str]
"""Ids by placeholders."""


class Condition(NamedTuple):
    """Predicate that has to hold for placeholders."""

    predicate: str
    variables: tuple[Variable, ...]


@dataclass(frozen=True)
class Terminal:
    """Literal text."""

    text: str


@dataclass(frozen=True)
class Reference:
    """Rule to be filled in."""

    rule: str


@dataclass(frozen=True)
class Expression:
    """Value, once for every way in which the conditions hold, or once without any."""

    value: ast.expr | Reference
    given: tuple[Condition, ...]


@dataclass(frozen=True)
class Listing:
    """Values of an expression, as a list in words."""

    expression: Expression


Symbol = Terminal | Reference | Expression | Listing


@dataclass(frozen=True)
class Rule:
    """Replacement of a name, if the conditions hold."""

    conditions: tuple[Condition, ...]
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True)
class Grammar:
    """Texts of a game's actions and of the answers to them.

    Attributes:
        rules: Alternatives by name, of which the first that holds is used.
        templates: For every action the template of its command.
        feedback: For every action the template of the answer to it.
    """

    rules: Mapping[str, tuple[Rule, ...]]
    templates: Mapping[str, str]
    feedback: Mapping[str, str]


class Entity(NamedTuple):
    """Words of a text for a thing."""

    id: str
    name: str
    indefinite: str = "a"
    definite: str = "the"


class Speaker:
    """Speaker that fills in templates from a state.

    Args:
        grammar: The rules.
        entities: All things, by id.
        matches: Yields all ways to bind further placeholders so that conditions hold.
    """

    def __init__(
        self,
        grammar: Grammar,
        entities: Mapping[str, Entity],
        matches: Callable[[Sequence[Condition], Binding], Iterator[Binding]],
    ) -> None:
        self._grammar = grammar
        self._entities = entities
        self._matches = matches

    def say(self, template: str, binding: Binding) -> str:
        """Returns the text of a template.

        Raises:
            ValueError: If the grammar lacks a rule or has an expression that is not understood.
        """
        return "".join(self._all(parse(template), binding))

    def _all(self, symbols: Sequence[Symbol], binding: Binding) -> Iterator[str]:
        for symbol in symbols:
            if isinstance(symbol, Terminal):
                yield symbol.text
            elif isinstance(symbol, Reference):
                yield from self._all(self._choose(symbol, binding).symbols, binding)
            elif isinstance(symbol, Listing):
                yield self._list(self._values(symbol.expression, binding), binding)
            else:
                yield from self._values(symbol, binding)

    def _choose(self, reference: Reference, binding: Binding) -> Rule:
        for rule in self._grammar.rules.get(reference.rule, ()):
            if not rule.conditions or any(True for _ in self._matches(rule.conditions, binding)):
                return rule
        raise ValueError(f"the grammar has no rule for #{reference.rule}# that holds")

    def _values(self, expression: Expression, binding: Binding) -> list[str]:
        bindings = self._matches(expression.given, binding) if expression.given else [binding]
        return [self._value(expression.value, one) for one in bindings]

    def _value(self, value: ast.expr | Reference, binding: Binding) -> str:
        if isinstance(value, Reference):
            return "".join(self._all([value], binding))
        found = _read(value, {name: self._entities[id_] for (name, _), id_ in binding.items()})
        return found.name if isinstance(found, Entity) else found

    def _list(self, values: Sequence[str], binding: Binding) -> str:
        if not values:
            return "".join(self._all([Reference("list_empty")], binding))
        separator = "".join(self._all([Reference("list_separator")], binding))
        last = "".join(self._all([Reference("list_last_separator")], binding))
        head = separator.join(values[:-1])
        return f"{head}{last}{values[-1]}" if head else values[-1]


def _read(node: ast.expr, entities: Mapping[str, Entity]) -> Entity | str:
    """The value of an expression of a template."""
    if isinstance(node, ast.Name) and node.id in entities:
        return entities[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute) and node.attr in Entity._fields:
        owner = _read(node.value, entities)
        if isinstance(owner, Entity):
            return str(getattr(owner, node.attr))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _read(node.left, entities), _read(node.right, entities)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        values = [_read(value, entities) for value in node.values]
        return next((value for value in values if value), values[-1])
    raise ValueError(
        f"the grammar's expression {ast.unparse(node)!r} is not understood: expected attributes "
        f"({', '.join(Entity._fields)}) of {', '.join(sorted(entities)) or 'nothing'}, strings, "
        "`+` and `or`"
    )


# ----- parsing ------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def parse(template: str) -> tuple[Symbol, ...]:
    """Parses a template in TextWorld's notation."""
    textgen = packages.load("textworld.envs.pddl.textgen")
    with _PARSING:
        return tuple(map(_symbol, textgen._parse_and_convert(template, rule_name="symbols")))


@lru_cache(maxsize=8)
def parse_grammar(text: str) -> Grammar:
    """Parses the grammar of a game, in the notation of the file `alfred.twl2`."""
    logic = packages.load("textworld.envs.pddl.logic")
    with _PARSING:
        actions, rules = logic._parse_and_convert(text, rule_name="pddlStart")
        return Grammar(
            {
                name: tuple(
                    Rule(_conditions(rule.condition), tuple(map(_symbol, rule.rhs)))
                    for rule in rules
                )
                for name, rules in rules._rules.items()
            },
            {name: action.template for name, action in actions.items()},
            {name: action.feedback_rule for name, action in actions.items()},
        )


def _symbol(symbol: object) -> Symbol:
    textgen = packages.load("textworld.envs.pddl.textgen")
    if isinstance(symbol, textgen.TerminalSymbol):
        return Terminal(str(symbol.symbol))
    if isinstance(symbol, textgen.NonterminalSymbol):
        return Reference(str(symbol.symbol))
    if isinstance(symbol, textgen.ListSymbol):
        inner = _symbol(symbol.symbol)
        if isinstance(inner, Expression):
            return Listing(inner)
    if isinstance(symbol, textgen.ConditionalSymbol):
        inner = symbol.expression
        if isinstance(inner, textgen.NonterminalSymbol):
            return Expression(Reference(str(inner.symbol)), _conditions(symbol.given))
        return Expression(
            ast.parse(inner.expression.strip(), mode="eval").body, _conditions(symbol.given)
        )
    raise ValueError(f"the grammar's symbol {symbol!r} is not understood")


def _conditions(text: str | None) -> tuple[Condition, ...]:
    if not text:
        return ()
    rule = packages.load("textworld.logic").Rule.parse_conjunctive_query(text.strip())
    return tuple(
        Condition(predicate.name, tuple((ph.name, ph.type) for ph in predicate.parameters))
        for predicate in rule.preconditions
    )


def words(template: str) -> frozenset[str]:
    """Returns all words of a template, including the names of its placeholders."""
    return frozenset(re.findall(r"\w+", template))


def predicates(template: str) -> frozenset[str] | None:
    """Returns the predicates that a template's text depends on; `None` if other rules decide."""
    found: set[str] = set()
    for symbol in parse(template):
        expression = symbol.expression if isinstance(symbol, Listing) else symbol
        if isinstance(expression, Reference):
            return None
        if isinstance(expression, Expression):
            if isinstance(expression.value, Reference):
                return None
            found |= {condition.predicate for condition in expression.given}
    return frozenset(found)
