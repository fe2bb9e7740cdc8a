"""The server as an application for uvicorn: `uvicorn server.app:app`.

The environment variable ENVS holds the ids to serve, or a package, with spaces between them.
"""

import argparse
import os

import uvicorn

from vlm_agent.integrations.openenv import make_app
from vlm_agent.integrations.suite import Suite

app = make_app(Suite(os.environ.get("ENVS", "gym_cards").split()))


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(app, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
