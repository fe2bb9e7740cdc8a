r"""Reply -> action, or none. Parsing never invents an action and never runs what it reads.

A reply is JSON as a language model writes it: perhaps inside fences, after prose, without its
outer braces, with the wrong quotes, or cut off. One pass finds the top-level keys; keys inside
strings or inner objects do not count. The last top-level key `action` starts the action part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from vlm_agent.core.types import Reply

Parser = Literal["json", "published"]

_BARE_KEY = re.compile(r"\w+")
_PUBLISHED_KEY = re.compile('"action":', re.IGNORECASE | re.ASCII)
_MARKS = "\"'`.,;:!?"
# A point or comma within a number, as in 1.5 or 1,000, is no boundary.
_END = r"(?=$|\s|[\"'`;:!?]|[.,](?!\d))"
# Words that deny: a value with one of them may forbid the action that it names. "No. 3" does not.
_DENIAL = re.compile(
    r"\b(?:not|never|no(?!\.\s*\d)|nor|neither|none|without|cannot|(?:avoid|refus|refrain)\w*|"
    r"(?:are|ca|could|did|do|does|is|must|should|was|wo|would)n['’]?t)\b"
)
# What follows is a reason, as in "stand, I am not below 17".
_CLAUSE_END = re.compile(r"[,.;(]|\b(?:because|since|as|so)\b")
# Words that deny only what follows them in the same part of a sentence.
_REJECTION = re.compile(r"\b(?:instead of|rather than|anything but|except|unless)\b[^,.;:!?]*$")


@dataclass(frozen=True)
class ParsedReply:
    """A reply's action and fields.

    Attributes:
        action: Index of the action that the reply names, or `None` where it names no legal one.
        value: The text of the action's value, or `None` without an action key.
        action_start: Offset in the text where the action part starts, or `None` without one.
        fields: The text of each top-level key's value; the last one if a key repeats. A list
            becomes its items joined by single spaces: `[6, "K"]` becomes `6 K`.
    """

    action: int | None
    value: str | None
    action_start: int | None
    fields: Mapping[str, str] = field(default_factory=dict)


class Field(NamedTuple):
    """A top-level key of a reply, the text of its value, and the key's offset in the reply."""

    key: str
    value: str
    start: int


def parse(text: str, action_names: Sequence[str], rule: Parser = "json") -> ParsedReply:
    """Finds the action that a reply names.

    Args:
        text: The reply.
        action_names: The texts of the legal actions.
        rule: "json" takes the value of the last top-level `"action"` key: the action that it
            equals, ignoring case and outer quotes and spaces; otherwise the only action that
            stands in it on word boundaries, where a shorter name inside a longer one does not
            count, unless the value also denies something ("do not hit"). "published" is the
            parser of the published code, quirks included: it takes everything from the first
            `"action":`, or the last character without one, and the only action name that this
            contains, at any position.

    Raises:
        ValueError: If the rule is not one of these, or text and names are not what they should.
    """
    if not isinstance(text, str):
        raise ValueError(f"text={text!r:.80}: expected the text of a reply, such as reply.text")
    if isinstance(action_names, str) or not isinstance(action_names, Sequence):
        raise ValueError(
            f"action_names={action_names!r:.80}: expected a list of the texts of the legal "
            "actions, such as observation.actions"
        )
    if rule == "published":
        return _parse_published(text, action_names)
    if rule != "json":
        raise ValueError(f"unknown rule {rule!r}: expected 'json' or 'published'")
    every = find_fields(text)
    named = _named(every)
    found = [each for each in every if each.key.strip().casefold() == "action"]
    if not found:
        return ParsedReply(None, None, None, named)
    last = found[-1]
    return ParsedReply(match_action(last.value, action_names), last.value, last.start, named)


def read_reply(text: str, action_names: Sequence[str], rule: Parser = "json") -> Reply:
    """Returns a reply that consists of text alone, parsed; arguments as for `parse`."""
    parsed = parse(text, action_names, rule)
    return Reply(text, parsed.action, fields=parsed.fields)


def match_action(value: str, action_names: Sequence[str]) -> int | None:
    """Returns the index of the action that a value names, or `None`."""
    wanted = normalise(value)
    names = [normalise(name) for name in action_names]
    if wanted in names:
        return names.index(wanted)
    found: set[str] = set()
    between: list[str] = []
    covered = 0
    for match in _whole_names(tuple(names)).finditer(wanted):
        end = match.end(1)
        if end > covered:  # else it lies inside a longer name
            found.add(match[1])
            between.append(wanted[covered : match.start(1)])
            covered = end
        if len(found) > 1:
            return None
    if not found or any(map(_REJECTION.search, between)):
        return None
    (name,) = found
    # Only outside of the names, which may be "no" or "take the do not disturb sign 1".
    after = _CLAUSE_END.split(wanted[covered:], maxsplit=1)[0]
    if _DENIAL.search(("0" if name[0].isdigit() else "x").join([*between, after])):
        return None
    return names.index(name)


@lru_cache(maxsize=64)
def _whole_names(names: tuple[str, ...]) -> re.Pattern[str]:
    """Returns a pattern of the longest name on word boundaries at every position of a text."""
    longest_first = sorted(filter(None, set(names)), key=len, reverse=True)
    alternatives = "|".join(map(re.escape, longest_first)) or r"(?!)"
    return re.compile(rf"(?:^|(?<=[\s{_MARKS}]))(?<!\d[.,])(?=({alternatives}){_END})")


def same_value(read: str, truth: str) -> bool:
    """Returns whether a field was read correctly, ignoring case, outer quotes and spacing."""
    return normalise(read) == normalise(truth)


def find_fields(text: str) -> list[Field]:
    """Returns all top-level keys of a reply with their values, in order, in linear time."""
    result: list[Field] = []
    stack: list[str] = []
    position, previous = 0, ""
    while position < len(text):
        character = text[position]
        inside = len(stack) > 0
        end = 0
        if character == '"' or (character == "'" and (previous == "" or inside)):
            end = _string_end(text, position)
        elif inside and previous in "{," and (word := _BARE_KEY.match(text, position)):
            end = word.end()
        if end:
            colon = _colon_after(text, end)
            if colon is not None and (not stack or stack == ["{"]):
                key = _unquote(text[position:end])
                end = _value_end(text, colon + 1)
                result.append(Field(key, _unquote(text[colon + 1 : end].strip()), position))
            position, previous = end, "value"
            continue
        if character in "{[":
            stack.append(character)
        elif character in "}]" and stack:
            stack.pop()
        if not character.isspace():
            previous = character
        position += 1
    return result


def _named(every: Sequence[Field]) -> dict[str, str]:
    return {each.key: " ".join(_unlist(each.value)) for each in every}


def _string_end(text: str, start: int) -> int:
    """Returns the offset after the string that starts here; the text's end if it is unfinished."""
    quote, position = text[start], start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == quote:
            return position + 1
        else:
            position += 1
    return len(text)


def _value_end(text: str, start: int) -> int:
    """Returns the offset after the value that starts here.

    A value ends at a comma, at the brace that closes its object, at the end of the line, or before
    another key if the comma is missing.
    """
    first = position = _skip_space(text, start)
    depth = 0
    while position < len(text):
        character = text[position]
        if character == '"' or (character == "'" and position == first):
            end = _string_end(text, position)
            if depth == 0 and position > first and _colon_after(text, end) is not None:
                break
            position = end
            continue
        if character in "{[":
            depth += 1
        elif character in "}]":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and character in ",\n":
            break
        position += 1
    return min(position, len(text))


def _colon_after(text: str, position: int) -> int | None:
    """Returns the offset of a colon that follows here, which makes the string before it a key."""
    colon = _skip_space(text, position)
    return colon if text[colon : colon + 1] == ":" else None


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _unquote(piece: str) -> str:
    """Returns the text of a JSON string, whole or cut off; anything else unchanged."""
    if not piece or piece[0] not in "\"'":
        return piece
    inside = piece[1:-1] if len(piece) > 1 and piece[-1] == piece[0] else piece[1:]
    if "\\" not in inside:
        return inside
    try:
        decoded = json.loads(f'"{inside}"', strict=False)
    except ValueError:
        return inside
    return str(decoded)


def _unlist(value: str) -> list[str]:
    if value.startswith("["):
        value = value.strip("[]").replace(",", " ").replace('"', " ").replace("'", " ")
    return value.split()


def normalise(value: str) -> str:
    """Returns a text without outer quotes, in lower case and with single spaces."""
    return " ".join(value.split()).strip(" \"'`").casefold()


def _parse_published(text: str, action_names: Sequence[str]) -> ParsedReply:
    """The published rule (RL4VLM, `text_projection`), without its random fallback."""
    found = _PUBLISHED_KEY.search(text)  # not in lower case, which may be longer than the text
    part = text[found.start() :].lower() if found else text.lower()[-1:]
    contained = set()
    if "10" in action_names and "10" in part:
        contained.add("10")
        part = part.replace("10", "")
    contained.update(name for name in action_names if name in part)
    action = action_names.index(contained.pop()) if len(contained) == 1 else None
    start = found.start() if found else None
    return ParsedReply(action, part, start, _named(find_fields(text)))
