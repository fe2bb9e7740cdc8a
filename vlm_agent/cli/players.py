"""Players by the names that commands take."""

from __future__ import annotations

from typing import Any

from vlm_agent.config.api import ApiOptions
from vlm_agent.config.engine import EngineOptions
from vlm_agent.config.model import LoadOptions
from vlm_agent.evaluation.play import PolicyLike
from vlm_agent.evaluation.players import GenerationOverrides, LazyPolicy, find_player
from vlm_agent.serving.players import api_finder


def player_of(name: str, options: Any) -> PolicyLike | LazyPolicy:
    """Returns the player of a name, with the options of a command.

    Args:
        name: As `EvalConfig.policy` explains.
        options: The command's options; those of `LoadOptions`, `ApiOptions` and
            `GenerationOverrides` that it lacks have their defaults.

    Raises:
        OSError: As for `find_player`, like the other errors.
        ValueError: If a file is not what the name says.
        ImportError: If a package that the player needs is not installed.
    """
    overrides = GenerationOverrides(
        **{key: getattr(options, key, None) for key in GenerationOverrides.__dataclass_fields__}
    )
    return find_player(
        name,
        load_options=options if isinstance(options, LoadOptions) else None,
        overrides=overrides,
        engine=options if isinstance(options, EngineOptions) else None,
        num_envs=getattr(options, "num_envs", 1),
        finders={
            "api": api_finder(options if isinstance(options, ApiOptions) else None, overrides)
        },
    )
