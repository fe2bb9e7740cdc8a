"""Players `api:MODEL`: models behind an OpenAI-compatible API."""

from __future__ import annotations

from dataclasses import asdict, fields

from vlm_agent.config.api import ApiOptions
from vlm_agent.core.prompt_builder import DEFAULT_PROMPT
from vlm_agent.evaluation.players import GenerationOverrides, LazyPolicy, PlayerFinder
from vlm_agent.serving.api_model import ApiModel


def api_finder(options: ApiOptions | None, overrides: GenerationOverrides) -> PlayerFinder:
    """Returns the function that finds models behind an API, for `find_player`.

    Args:
        options: Where the API is, and how it is asked; by default those of `ApiOptions`.
        overrides: How models reply; the API has no `top_k`.
    """
    options = options or ApiOptions()

    def find(model: str) -> LazyPolicy:
        player = ApiModel(
            model,
            options,
            temperature=overrides.temperature,
            top_p=overrides.top_p,
            parser=overrides.parser or "json",
            prompt=overrides.prompt or DEFAULT_PROMPT,
            system_prompt=overrides.system_prompt or "",
        )
        # Options of a command may inherit from ApiOptions: its other fields do not count.
        asked = {each.name: getattr(options, each.name) for each in fields(ApiOptions)}
        return LazyPolicy(lambda: player, {**asked, **asdict(overrides)})

    return find
