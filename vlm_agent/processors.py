"""Reading a model's processor."""

from __future__ import annotations

from typing import Any

from transformers import AutoProcessor


def load_processor(name: str, *, trust_remote_code: bool = False) -> Any:
    """Reads the processor of a model from a directory or a hub.

    Args:
        name: A directory or a hub name.
        trust_remote_code: Run the code that comes with the processor.
    """
    return AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
