"""Prompts of a user: a template or a function in place of the built-in one, and a system message.

A template is Jinja2 and runs in a sandbox. It has these variables:

- `task`: the environment's description of its rules and goal;
- `goal`: the episode's own goal, or `none`;
- `actions`: the legal actions, a list of strings;
- `history`: the actions played in the earlier steps, oldest first, a list of strings; empty if the
  history is a conversation, in which every step has a prompt of its own;
- `given`: the state fields that the prompt contains, a mapping of names to values;
- `fields`: the names of the state fields that a reply reads out, a list of strings;
- `cot`: whether the reply reads out the state and reasons before the action;
- `form`: the JSON form of the reply;
- `default`: the built-in prompt.

The filter `tojson` writes a value as JSON, with letters as they are. Values of the state other than
`given` are not available, because a policy has to read them from the picture.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlm_agent.core.environments import OWN
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.prompts import (
    Chat,
    Message,
    build_messages,
    build_prompt,
    checked_messages,
    messages_text,
    reply_form,
    system_message,
    to_json,
)
from vlm_agent.core.types import Observation, PastStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_PROMPT = "default"

History = Literal["steps", "actions", "replies"]
"""How a prompt shows earlier steps: their pictures and actions in one message, their actions alone,
or a conversation of their prompts and the policy's own replies."""

PromptFunction = Callable[[Observation, bool], str | Sequence[Mapping[str, Any]]]
"""Function of an observation and of `cot` that returns the user's text, or a list of messages.

A message has a "role", and a "content" that is a text or a list of parts, `{"type": "text", "text":
…}` and `{"type": "image"}`. If there are no image parts, the pictures come first in the last
message of the user."""
PromptSource = str | os.PathLike[str] | PromptFunction
"""A template file, a function, "MODULE:FUNCTION", "default", or a template itself, which is
recognised by a line break or by its braces."""

_FUNCTION_NAME = re.compile(r"[\w.]+:[\w.]+")
_TEMPLATE = re.compile(r"\n|\{\{|\{%")
_VARIABLES = (
    "task", "goal", "actions", "history", "given", "fields", "cot", "form", "default"
)  # fmt: skip
# Functions that this process was given, by name. A name in a saved policy alone is not enough, so
# that loading a policy never imports anything.
_functions: dict[str, PromptFunction] = {}


@dataclass(frozen=True)
class PromptBuilder:
    """Builds the prompts of a policy.

    Args:
        prompt: "default" for the built-in prompt, a template, or the name of a function, as
            `resolve_prompt` returns them.
        system_prompt: System message; empty for none.
        cot: Whether replies read out the state and reason before the action.
        history: How earlier steps are shown.
    """

    prompt: str = DEFAULT_PROMPT
    system_prompt: str = ""
    cot: bool = True
    history: History = "steps"

    def messages(self, observation: Observation) -> list[Message]:
        """Returns the messages for an observation; those of a `Chat` as they are.

        In a conversation, each earlier step is the message of the user that asked for its reply,
        with its picture, and the reply. Messages of a function before that of the user, such as
        examples, stand once, at the beginning.

        Raises:
            ValueError: If a template fails; or if a function was not given to this process, or
                returns something other than a text or messages, or messages that cannot be those
                of a conversation.
        """
        if isinstance(observation, Chat):
            return [dict(message) for message in observation.messages]
        if self.history != "replies" or not observation.history:
            return self._prompt(observation)
        *before, now = self._prompt(replace(observation, history=()))
        turns = []
        for step in observation.history:
            turns.append(self._question(step))
            turns.append({"role": "assistant", "content": [{"type": "text", "text": step.reply}]})
        return [*before, *turns, self._checked_question(now)]

    def pictures(self, observation: Observation) -> tuple[NDArray[np.uint8], ...]:
        """Returns the pictures of the messages for an observation, in the order of their places."""
        if self.history == "actions" and not isinstance(observation, Chat):
            return (observation.image,)
        return observation.images

    def own_replies(self, observation: Observation) -> int:
        """Returns the number of the policy's own replies in the messages for an observation.

        These are every second message from the end, beginning with the last but one. Those of a
        `Chat` are what an assistant said in turn with a user, up to the end.
        """
        if self.history != "replies":
            return 0
        if not isinstance(observation, Chat):
            return len(observation.history)
        roles = [message["role"] for message in reversed(observation.messages)]
        turns = zip(roles[::2], roles[1::2], roles[2::2], strict=False)
        expected = ("user", "assistant", "user")
        return sum(1 for _ in itertools.takewhile(lambda turn: turn == expected, turns))

    def _question(self, step: PastStep) -> Message:
        """Returns the message that an earlier step's reply answered."""
        if step.asked is None:
            raise ValueError(
                "an earlier step without the observation that it replied to: expected the history "
                "that Observation.remember returns"
            )
        return self._checked_question(self._prompt(step.asked)[-1])

    def _checked_question(self, message: Message) -> Message:
        places = sum(part["type"] == "image" for part in message["content"])
        if message["role"] != "user" or places != 1:
            raise ValueError(
                f"history='replies': the prompt function {self.prompt} returned {places} pictures "
                f"in its last message, of the {message['role']}: expected the user's, with the "
                "current picture; or use history='steps'"
            )
        return message

    def _prompt(self, observation: Observation) -> list[Message]:
        content = self._content(observation)
        images = len(self.pictures(observation))
        if isinstance(content, str):
            messages = build_messages(content, images)
        else:
            messages = checked_messages(content, images, self.prompt)
        if self.system_prompt:
            messages.insert(0, system_message(self.system_prompt))
        return messages

    def text(self, observation: Observation) -> str:
        """Returns the text of the messages; with their roles if there are several."""
        return messages_text(self.messages(observation))

    def _content(self, observation: Observation) -> str | Sequence[Mapping[str, Any]]:
        if self.prompt == DEFAULT_PROMPT:
            return self._built_in(observation)
        if not is_function_name(self.prompt):
            return _render(self.prompt, observation, self.cot, self._built_in(observation))
        if self.prompt not in _functions:
            again = "" if self.prompt.startswith(OWN) else f", or with --prompt {self.prompt}"
            raise ValueError(
                f"the policy was saved with the prompt function {self.prompt}, and functions are "
                f"not saved with a policy: give it again, with prompt= in Python{again}"
            )
        return _functions[self.prompt](observation, self.cot)

    def _built_in(self, observation: Observation) -> str:
        pictures = self.history != "actions"
        return build_prompt(observation, cot=self.cot, earlier_pictures=pictures)


def builder_of(policy: Any) -> PromptBuilder:
    """Returns the builder of a policy's prompts; for a player without prompts, the default."""
    config = getattr(policy, "generation_config", None)
    builder = getattr(config, "prompt_builder", None)
    return builder if isinstance(builder, PromptBuilder) else PromptBuilder()


def resolve_prompt(source: PromptSource) -> str:
    """Returns a prompt as the text that is saved with runs and policies.

    Args:
        source: See `PromptSource`.

    Returns:
        "default", "MODULE:FUNCTION", or the text of a template.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a template is wrong, or a function cannot be imported by its name.
    """
    if callable(source):
        return _register(source)
    text = os.fspath(source)
    if text == DEFAULT_PROMPT:
        return text
    if not _TEMPLATE.search(text):
        if text.startswith(OWN):
            return text  # of no use unless it is registered
        if text in _functions:
            return text  # its module may hold another function by now
        if is_function_name(text):
            return _register(_import(text))
        path = Path(os.path.expanduser(text))
        if not path.is_file():
            raise FileNotFoundError(
                f"no prompt {text!r}: expected a template file, MODULE:FUNCTION, or "
                f"{DEFAULT_PROMPT!r} for the built-in prompt"
            )
        text = path.read_text(encoding="utf-8").removesuffix("\n") + "\n"
    _compile(text)
    return text


def register_prompt(name: str, function: PromptFunction, *, replace: bool = False) -> str:
    """Makes a function known to this process, and returns its name.

    Args:
        name: A name that begins with "own:".
        function: The function.
        replace: Whether it takes the place of another function of exactly this name; otherwise the
            name gets the identity of the function, so that other functions have other names.
    """
    if not replace:
        name = f"{name}.{identity_of(function, whole=True)}"
    _functions[name] = function
    return name


def is_registered(name: str) -> bool:
    """Returns whether this process was given the function of a name."""
    return name in _functions


def resolve_system_prompt(source: str | os.PathLike[str]) -> str:
    """Returns a system message from a text, or from a file that holds it.

    Args:
        source: The text, or the path of a file; a single word is always a path. An empty text
            means no system message.

    Raises:
        FileNotFoundError: If a single word is not a file.
    """
    text = os.fspath(source)
    path = Path(os.path.expanduser(text))
    if text and "\n" not in text and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    if text and not re.search(r"\s", text):
        raise FileNotFoundError(
            f"no system prompt {text!r}: expected a file, or a text of several words"
        )
    return text.strip()


def check_prompt(prompt: str) -> None:
    """Checks a text that `resolve_prompt` returned, perhaps elsewhere.

    Raises:
        ValueError: If it is none, or a wrong template.
    """
    if prompt == DEFAULT_PROMPT or is_function_name(prompt):
        return
    if not _TEMPLATE.search(prompt):
        raise ValueError(
            f"prompt={prompt!r}: expected {DEFAULT_PROMPT!r}, MODULE:FUNCTION or the text of a "
            "template; read a file with vlm_agent.core.prompt_builder.resolve_prompt"
        )
    _compile(prompt)


def check_history(history: History, length: int, tokens: int | None = None) -> None:
    """Checks that options of the history do not contradict each other.

    Args:
        history: How earlier steps are shown.
        length: Number of earlier steps.
        tokens: Maximum length of a prompt with earlier steps, if there is one.

    Raises:
        ValueError: If there are no earlier steps that the others could be about.
    """
    if length == 0 and history != "steps":
        raise ValueError(
            f"history={history!r} with history_length=0 shows no earlier step: give a "
            "history_length"
        )
    if length == 0 and tokens is not None:
        raise ValueError(
            f"history_tokens={tokens} with history_length=0 limits nothing: give a history_length"
        )


def is_function_name(prompt: str) -> bool:
    """Returns whether a prompt is the name of a function, "MODULE:FUNCTION"."""
    return _FUNCTION_NAME.fullmatch(prompt) is not None


def _register(function: PromptFunction) -> str:
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    reference = f"{module}:{name}"
    if not is_function_name(reference) or _import(reference) is not function:
        raise ValueError(
            f"prompt={function!r} cannot be saved by name: expected a function that is defined at "
            "the top level of a module"
        )
    known = _functions.setdefault(reference, function)
    if known is not function and _differ(known, function):
        return register_prompt(f"{OWN}{name}", function)  # policies still play by the other one
    _functions[reference] = function
    return reference


def _differ(one: PromptFunction, other: PromptFunction) -> bool:
    return identity_of(one, whole=True) != identity_of(other, whole=True)


def _import(reference: str) -> PromptFunction:
    module, name = reference.split(":")
    try:
        function: Any = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"no prompt function {reference}: {error}") from error
    if not callable(function):
        raise ValueError(f"{reference} is {function!r}, which is not a prompt function")
    return function  # type: ignore[no-any-return]


@functools.lru_cache
def _compile(template: str) -> Any:
    """Returns the compiled template.

    Raises:
        ValueError: If its syntax is wrong, or it has unknown variables; names the line.
    """
    from jinja2 import StrictUndefined, TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tojson"] = to_json
    try:
        parsed = environment.parse(template)
        unknown = sorted(meta.find_undeclared_variables(parsed) - {*_VARIABLES})
        compiled = environment.from_string(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the prompt template: {error.message}") from error
    if unknown:
        raise ValueError(
            f"the prompt template has unknown variables {', '.join(unknown)}: expected some of "
            f"{', '.join(_VARIABLES)}"
        )
    return compiled


def _render(template: str, observation: Observation, cot: bool, default: str) -> str:
    from jinja2 import TemplateError

    values = {
        "task": observation.task.description,
        "goal": observation.goal,
        "actions": list(observation.actions),
        "history": [step.action for step in observation.history],
        "given": dict(observation.given),
        "fields": list(observation.fields),
        "cot": cot,
        "form": reply_form(observation, cot=cot),
        "default": default,
    }
    try:
        return str(_compile(template).render(values))
    except (TemplateError, TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"the prompt template cannot be rendered: {error}") from error
