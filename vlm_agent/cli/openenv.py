"""The command `openenv`: serves environments until it is interrupted."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Sequence

from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.commands import OpenEnvConfig
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.integrations.suite import Suite


def openenv(words: Sequence[str]) -> None:
    """Serves environments through OpenEnv's API.

    Raises:
        ImportError: If OpenEnv is not installed.
        OSError: If the port is taken.
    """
    parser = OptionParser(OpenEnvConfig, "vlm-agent openenv")
    options, _ = parser.parse(words)
    config = parser.build(options)
    if importlib.util.find_spec("openenv") is None:
        raise ImportError('OpenEnv is not installed; run: pip install "gym-cards[openenv]"')
    suite = Suite(config.env, config.env_kwargs, seed=config.seed)
    for env, reason in suite.left_out.items():
        print(f"vlm-agent: {env} is left out: {reason}", file=sys.stderr)
    import uvicorn

    from vlm_agent.integrations.openenv import make_app

    app = make_app(
        suite,
        max_sessions=config.max_sessions,
        session_timeout=config.session_timeout or None,
        builder=PromptBuilder(cot=config.cot),
    )
    # Listens before the address is printed, so that it is known, and free.
    with socket.create_server((config.host, config.port)) as listening:
        address = "http://{}:{}".format(*listening.getsockname())
        count = len(suite.tasks)
        print(f"{count} environment{'s' * (count > 1)} served at {address} until Ctrl-C")
        print(f"page to play in: {address}/web", flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        server.run(sockets=[listening])
