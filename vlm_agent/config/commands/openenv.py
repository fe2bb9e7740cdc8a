"""Options of the command openenv."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from vlm_agent.config.options import Options
from vlm_agent.config.values import Bounds, JsonObject, NonEmpty, NonNegativeFloat, PositiveInt


@dataclass
class OpenEnvConfig(Options):
    """Serves environments to trainers through OpenEnv's API, with a page to play them.

    Args: Environments
        env: Environment ids, such as gym_cards/NumberLine-v0; a package, such as gym_cards, stands
            for all environments that it registers and that can be made here.
        env_kwargs: Keyword arguments of the environments, as JSON.
        seed: Random seed from which those of the episodes are derived: the test splits hold the
            episodes of `vlm-agent eval` with the same seed.
        cot: Have prompts ask for the state and reasons before the action.

    Args: Server
        host: Address to listen at; 0.0.0.0 for all. There is no password.
        port: Port; 0 takes a free one.
        max_sessions: Maximum number of sessions at once, each with an environment of its own.
        session_timeout: Seconds after which a session is closed if nothing was asked in it; 0 for
            no limit.
    """

    env: NonEmpty[str]
    env_kwargs: JsonObject = field(default_factory=dict)
    seed: int = 0
    cot: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Bounds(0, 2**16 - 1)] = 8000
    max_sessions: PositiveInt = 64
    session_timeout: NonNegativeFloat = 3600.0
