"""OpenEnv's server for environments that follow the protocol, with a page to play them."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.types import ConcurrencyConfig

from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.integrations.openenv.environment import SessionEnvironment
from vlm_agent.integrations.openenv.models import GameAction, GameObservation, GameState
from vlm_agent.integrations.suite import Suite

if TYPE_CHECKING:
    from fastapi import FastAPI, Request


def make_app(
    suite: Suite,
    *,
    name: str | None = None,
    max_sessions: int = 64,
    session_timeout: float | None = 3600.0,
    builder: PromptBuilder | None = None,
) -> FastAPI:
    """Returns a server of environments, to be run by uvicorn.

    Every connection to `/ws` is a session with an environment and a thread of its own; both end
    with the connection. `/web` is a page to play in.

    Args:
        suite: The environments and their splits.
        name: Name of the server, by which the Task API is asked; by default the package of the
            first environment.
        max_sessions: Maximum number of sessions at once.
        session_timeout: Seconds after which a session is closed if nothing was asked in it; `None`
            for no limit.
        builder: Builds the prompts; by default the built-in ones.
    """
    name = name or suite.default_env.partition("/")[0]
    app = create_fastapi_app(
        functools.partial(SessionEnvironment, suite, name, builder or PromptBuilder()),
        GameAction,
        GameObservation,
        concurrency_config=ConcurrencyConfig(
            max_concurrent_envs=max_sessions, session_timeout=session_timeout
        ),
        env_name=name,
        state_cls=GameState,
    )
    page = (resources.files(__package__) / "template" / "page.html").read_text("utf-8")

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("web")

    @app.get("/web", include_in_schema=False)
    async def web() -> HTMLResponse:
        return HTMLResponse(page)

    @app.exception_handler(ValueError)
    async def explain(request: Request, error: ValueError) -> JSONResponse:
        """Answers a wrong request with what was expected, rather than as a failure of ours."""
        return JSONResponse({"detail": str(error)}, status_code=400)

    return app
