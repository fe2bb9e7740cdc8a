"""Options of a model behind an OpenAI-compatible API."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import (
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveFloat,
    PositiveInt,
)
from vlm_agent.core.prompt_builder import History, check_history


def default_cache() -> str:
    """Returns the file in which replies are cached by default."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(home) / "vlm-agent" / "api.sqlite")


def refuse_top_k(top_k: int | None, policies: Iterable[str]) -> None:
    """Makes sure that no model behind an API is to sample from its most likely tokens.

    Raises:
        ValueError: If one is.
    """
    if top_k is not None and any(name.startswith("api:") for name in policies):
        raise ValueError(
            f"top_k={top_k}: the API has no such parameter: leave it out or, if the server "
            """supports it, give --api-extra '{"top_k": 50}'"""
        )


@dataclass(kw_only=True)
class ApiOptions(Options):
    """Options for querying models behind an OpenAI-compatible API.

    Args: Models behind an API
        api_base_url: URL of the API, such as http://127.0.0.1:8000/v1; by default the environment
            variable OPENAI_BASE_URL, or else OpenAI's own.
        api_key_variable: Environment variable that holds the key.
        api_max_tokens: Maximum length of a reply in tokens, including hidden reasoning.
        api_limit_field: Name of that limit in a request; newer OpenAI models only accept
            max_completion_tokens.
        api_extra: Additional fields of every request, as JSON, such as
            '{"reasoning_effort": "low"}'.
        api_cot: Ask for the state and reasons before the action.
        api_history: How a prompt shows earlier steps: steps, their pictures and actions in one
            message; actions, their actions alone; or replies, a conversation of their prompts and
            the model's own replies.
        api_history_length: Number of earlier steps in a prompt.
        api_concurrency: Maximum number of simultaneous requests; there are never more than
            --num-envs.
        api_requests_per_minute: Maximum number of requests in any minute, including retries.
        api_tokens_per_minute: Maximum number of tokens in any minute, prompts and replies together.
        api_timeout: Seconds until a request is abandoned and retried.
        api_retries: Number of retries of a failed request.
        api_price_in: Price of a million prompt tokens, to record the cost.
        api_price_out: Price of a million reply tokens.
        api_cache: File that caches all replies, so that none is paid for twice; None disables it.
    """

    api_base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    api_max_tokens: PositiveInt = 1024
    api_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    api_extra: JsonObject = field(default_factory=dict)
    api_cot: bool = True
    api_history: History = "steps"
    api_history_length: NonNegativeInt = 0
    api_concurrency: PositiveInt = 8
    api_requests_per_minute: PositiveInt | None = None
    api_tokens_per_minute: PositiveInt | None = None
    api_timeout: PositiveFloat = 120.0
    api_retries: NonNegativeInt = 6
    api_price_in: NonNegativeFloat | None = None
    api_price_out: NonNegativeFloat | None = None
    api_cache: PathText | None = field(default_factory=default_cache)

    def __post_init__(self) -> None:
        """Refuses one price without the other."""
        super().__post_init__()
        check_history(self.api_history, self.api_history_length)
        if (self.api_price_in is None) != (self.api_price_out is None):
            raise ValueError("expected both --api-price-in and --api-price-out, or neither")
