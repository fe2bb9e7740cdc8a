"""How a model behind an API is asked; no package is needed to say so."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlm_agent.config.options import JsonObject, check_least, check_not_negative, check_positive


def default_cache() -> str:
    """Where replies are kept if nobody says otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return str(Path(home) / "vlm-agent" / "api.sqlite")


@dataclass(kw_only=True)
class ApiOptions:
    """How models behind an OpenAI-compatible API are asked.

    Args:
        api_base_url: Where the API is, such as http://127.0.0.1:8000/v1; by default what the
            variable OPENAI_BASE_URL says, or OpenAI's own.
        api_key_variable: Environment variable that holds the key.
        api_max_tokens: The longest reply, in tokens, hidden reasoning included.
        api_limit_field: What the request calls that; newer models of OpenAI take only
            max_completion_tokens.
        api_extra: More fields of each request, as JSON, such as '{"reasoning_effort": "low"}'.
        api_cot: Ask for the state and reasons before the action.
        api_history_length: Number of earlier steps, pictures and actions, that a prompt recalls.
        api_concurrency: Requests at the same time, at most; no more than --num-envs come up.
        api_requests_per_minute: Most requests sent in any minute, tries after failures included.
        api_tokens_per_minute: Most tokens in any minute, of prompts and replies.
        api_timeout: Seconds after which a request is given up, and tried again.
        api_retries: How often a request that failed is tried again.
        api_price_in: Price of a million tokens of prompts, for the record's cost.
        api_price_out: Price of a million tokens of replies.
        api_cache: File that keeps all replies, so that none is paid for twice; None keeps none.
    """

    api_base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    api_max_tokens: int = 1024
    api_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    api_extra: JsonObject = field(default_factory=dict)
    api_cot: bool = True
    api_history_length: int = 0
    api_concurrency: int = 8
    api_requests_per_minute: int | None = None
    api_tokens_per_minute: int | None = None
    api_timeout: float = 120.0
    api_retries: int = 6
    api_price_in: float | None = None
    api_price_out: float | None = None
    api_cache: str | None = field(default_factory=default_cache)

    def __post_init__(self) -> None:
        """Refuses numbers that nothing can be asked by."""
        check_least(self, 1, "api_concurrency", "api_max_tokens")
        check_least(self, 0, "api_retries", "api_history_length")
        check_positive(self, "api_timeout", "api_requests_per_minute", "api_tokens_per_minute")
        check_not_negative(self, "api_price_in", "api_price_out")
        if (self.api_price_in is None) != (self.api_price_out is None):
            raise ValueError("expected both --api-price-in and --api-price-out, or neither")
