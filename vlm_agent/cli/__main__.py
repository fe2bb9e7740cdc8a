"""`python -m vlm_agent.cli`, for launchers that take a module."""

import sys

from vlm_agent.cli.main import main

sys.exit(main())
