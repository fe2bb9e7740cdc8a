"""`python -m vlm_agent`, the same as the command `vlm-agent`."""

import sys

from vlm_agent.cli.main import main

sys.exit(main())
