"""Options of the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.options import Options
from vlm_agent.core.prompt_builder import PromptSource, resolve_prompt, resolve_system_prompt


@dataclass(kw_only=True)
class PromptOptions(Options):
    """Options of the prompt; once made, they hold the texts of files.

    Args: Prompt
        prompt: File of a Jinja template, MODULE:FUNCTION, or default for the built-in prompt; by
            default as saved with the model.
        system_prompt: System message, or a file that holds it; by default as saved with the model.
    """

    prompt: PromptSource | None = None
    system_prompt: str | None = None

    def __post_init__(self) -> None:
        """Reads files and imports functions."""
        if self.prompt is not None:
            self.prompt = resolve_prompt(self.prompt)
        if self.system_prompt is not None:
            self.system_prompt = resolve_system_prompt(self.system_prompt)
        super().__post_init__()
