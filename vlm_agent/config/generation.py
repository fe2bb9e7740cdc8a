"""Settings for generating replies, saved next to a policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from vlm_agent.config.options import Options, did_you_mean
from vlm_agent.config.values import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFraction,
    PositiveInt,
)
from vlm_agent.core.parsing import Parser
from vlm_agent.core.prompt_builder import (
    DEFAULT_PROMPT,
    History,
    PromptBuilder,
    check_history,
    check_prompt,
    resolve_prompt,
    resolve_system_prompt,
)
from vlm_agent.core.run_directory import POLICY_FILE


@dataclass(frozen=True)
class GenerationConfig(Options):
    """Settings for generating replies; saved with a policy.

    Args:
        cot: Read out the state and reason before the action.
        temperature: Temperature of sampling and of log-probabilities; 0 is greedy, which can act
            but not train.
        max_new_tokens: Maximum length of a reply in tokens, including the end token.
        top_k: Number of most likely tokens to sample from; 0 for all.
        top_p: Sample from the fewest most likely tokens whose probabilities sum up to this.
        history: How a prompt shows earlier steps: steps, their pictures and actions in one message;
            actions, their actions alone; or replies, a conversation of their prompts and the
            model's own replies.
        history_length: Number of earlier steps in a prompt.
        history_tokens: Maximum length in tokens, including those of pictures, of a prompt with
            earlier steps; the oldest are left out first. By default, replies get what the model's
            context holds, and others are not limited.
        parser: Rule by which replies are parsed: json, or published, that of the paper's code.
        prompt: "default" for the built-in prompt, the text of a template, or the name of a
            function, as `vlm_agent.core.prompt_builder.resolve_prompt` returns them.
        system_prompt: System message; empty for none.
    """

    cot: bool = True
    temperature: NonNegativeFloat = 0.2
    max_new_tokens: PositiveInt = 256
    top_k: NonNegativeInt = 0
    top_p: PositiveFraction = 1.0
    history: History = "steps"
    history_length: NonNegativeInt = 0
    history_tokens: PositiveInt | None = None
    parser: Parser = "json"
    prompt: str = DEFAULT_PROMPT
    system_prompt: str = ""

    def __post_init__(self) -> None:
        """Checks the values, and the syntax of a template."""
        super().__post_init__()
        check_prompt(self.prompt)
        check_history(self.history, self.history_length, self.history_tokens)

    @property
    def prompt_builder(self) -> PromptBuilder:
        """Builds prompts with these settings."""
        return PromptBuilder(self.prompt, self.system_prompt, self.cot, self.history)

    @property
    def prompt_pictures(self) -> int:
        """Number of pictures of a prompt, at most."""
        return 1 if self.history == "actions" else 1 + self.history_length

    def with_changes(self, **changes: Any) -> GenerationConfig:
        """Returns these settings with some changed.

        Args:
            **changes: Settings by name; `None` leaves one as it is. A prompt may be any
                `PromptSource`, and a system prompt may be a file.

        Raises:
            TypeError: If there is no such setting.
            ValueError: If it does not take the value.
        """
        names = [field.name for field in fields(self)]
        for name in changes:
            if name not in names:
                raise TypeError(
                    f"unknown setting {name!r} of replies{did_you_mean(name, names)}: expected "
                    f"some of {', '.join(names)}"
                )
        given = {name: value for name, value in changes.items() if value is not None}
        if "prompt" in given:
            given["prompt"] = resolve_prompt(given["prompt"])
        if "system_prompt" in given:
            given["system_prompt"] = resolve_system_prompt(given["system_prompt"])
        if given.get("history_length") == 0:  # nothing is left to show or to limit
            given = {"history": "steps", "history_tokens": None, **given}
        return replace(self, **given)

    def save(self, directory: Path) -> None:
        """Writes the settings into a directory."""
        (directory / POLICY_FILE).write_text(json.dumps(vars(self), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> GenerationConfig:
        """Reads the settings of a saved policy, or the defaults if a directory holds none.

        Raises:
            ValueError: If the file has settings that this version does not know.
        """
        path = directory / POLICY_FILE
        if not path.is_file():
            return cls()
        saved = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(saved) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"{path} has unknown keys {sorted(unknown)}: was it written by another version?"
            )
        return cls(**saved)
