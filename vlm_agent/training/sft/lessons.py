"""Lessons made from demonstrations: reading pictures, and reasoning from what was read.

A whole demonstration teaches everything at once: to a model that cannot read pictures yet, its
reasons and actions have nothing to do with what it sees. A model may therefore learn to read
pictures first, and then to reason from what it reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Demonstration, Observation
from vlm_agent.data.prefetch import Wanted


class Lessons:
    """Decides what is learned from the demonstrator's batch in each step.

    Pictures are read out first, at the beginning without a prompt and then after one, if replies
    begin with reading out the state. Whole demonstrations and reasoning follow in even alternation,
    because what is not practised for long is forgotten.

    Args:
        config: The options, with a number of samples.

    Attributes:
        steps: Number of optimizer steps of all lessons.
    """

    def __init__(self, config: SFTConfig) -> None:
        samples = cast(int, config.samples)
        asked = (config.caption_samples, samples, config.reasoning_samples)
        self._reading, self._whole, reasoning = (-(-each // config.batch_size) for each in asked)
        self._derived = config.derived_fields
        self._from_first_steps = config.reasoning_steps == "first"
        self._captions = self._reading // 2 if config.cot else self._reading
        self._mixed = self._whole + reasoning
        self.steps = self._reading + self._mixed

    def of(self, step: int, batch: list[Demonstration]) -> tuple[str, list[Demonstration]]:
        """Returns the name of a step's lesson and the demonstrations to learn from.

        Args:
            step: Number of the step, from 1.
            batch: The demonstrator's batch.

        Raises:
            ValueError: If a demonstration has no part that the lesson is about.
        """
        name = self._name(step)
        for item in batch[:1]:
            _given(item.observation.fields, self._derived)  # wrong names are refused at once
        if name == "reasoning":
            return name, [reasoning(item, self._derived) for item in batch]
        make = _LESSONS.get(name)
        return name, batch if make is None else [make(item) for item in batch]

    def wanted(self, step: int) -> Wanted:
        """Returns what the lesson of a step, from 1, needs of its batch."""
        if self._name(step) != "reasoning":
            return "pictures"
        return "openings" if self._from_first_steps else "texts"

    def _name(self, step: int) -> str:
        place = step - self._reading
        if step <= self._captions:
            return "captions"
        if place <= 0:
            return "readouts"
        if place * self._whole // self._mixed == (place - 1) * self._whole // self._mixed:
            return "reasoning"
        return "demonstrations"


def caption(demonstration: Demonstration) -> Demonstration:
    """Returns a demonstration of the picture without a prompt; the reply reads it out as JSON.

    Raises:
        ValueError: If `info["state"]` has no field that only the picture shows.
    """
    seen = demonstration.observation
    if not seen.unsaid:
        raise ValueError(_nothing_to_read(seen))
    reply = json.dumps(seen.unsaid, ensure_ascii=False)
    return Demonstration(_chat([{"type": "image"}], seen), reply)


def readout(demonstration: Demonstration) -> Demonstration:
    """Returns the demonstration, of which only the state that the reply reads out is learned.

    Raises:
        ValueError: If the reply does not begin with reading out the state, or reads out nothing.
    """
    seen = demonstration.observation
    if not seen.fields:
        raise ValueError(_nothing_to_read(seen))
    end = _end_of_state(demonstration, seen.fields)
    return replace(demonstration, learned=(0, end))


def reasoning(demonstration: Demonstration, derived: Sequence[str] = ()) -> Demonstration:
    """Returns the reply without picture and prompt; only its thoughts and action are learned.

    The state that it reads out stays as context, to reason from.

    Args:
        demonstration: The whole demonstration.
        derived: Fields of the state that are learned too, because they follow from the others.

    Raises:
        ValueError: If the reply does not begin with reading out the whole state, or that does not
            end with the derived fields.
    """
    seen = demonstration.observation
    if missing := [name for name in seen.state if name not in seen.fields]:
        raise ValueError(
            f"replies do not read out {missing}, which prompts contain: without a prompt there is "
            "nothing to reason from; leave out reasoning_samples"
        )
    context = _given(seen.fields, derived)
    learned = (_end_of_state(demonstration, context), len(demonstration.reply))
    return Demonstration(_chat([], demonstration.observation), demonstration.reply, learned)


# How lessons are made from a whole demonstration.
_LESSONS = {"captions": caption, "readouts": readout}


def _nothing_to_read(seen: Observation) -> str:
    return (
        f"the picture shows nothing that the prompt does not say: info['state'] is "
        f"{dict(seen.state)!r}, of which the prompt says {sorted(seen.given)}; leave out "
        "caption_samples, or have the environment name what its picture shows"
    )


def _given(fields: Mapping[str, str], derived: Sequence[str]) -> dict[str, str]:
    """Returns what is read out without the derived fields, which have to be at its end."""
    names = list(fields)
    cut = len(names) - len(derived)
    if set(names[max(cut, 0) :]) != set(derived):
        raise ValueError(
            f"derived_fields={tuple(derived)!r} are not the last fields that replies read out of "
            f"info['state'], which are {names}: name fields at their end"
        )
    return {name: fields[name] for name in names[:cut]}


def _end_of_state(demonstration: Demonstration, state: Mapping[str, str]) -> int:
    """Returns the offset in the reply, in characters, after the state that it reads out."""
    read = json.dumps(state, ensure_ascii=False)[:-1]
    if not demonstration.reply.startswith(read):
        raise ValueError(
            f"the reply {demonstration.reply!r:.200} does not begin with {read!r:.200}"
        )
    return len(read)


def _chat(content: list[dict[str, str]], seen: Observation) -> Chat:
    """Returns a chat of one message, with the picture if the message has a place for it."""
    pictures = (seen.image,) if content else ()
    messages = ({"role": "user", "content": content},)
    return Chat(
        seen.image,
        seen.task,
        seen.actions,
        given=seen.given,
        state=seen.state,
        messages=messages,
        pictures=pictures,
    )
