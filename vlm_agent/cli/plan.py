"""The command `plan`: the memory that a run will take, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.files import left_out, read_options
from vlm_agent.config.model import quiet_transformers
from vlm_agent.planning.plan_config import PlanConfig


def plan(words: Sequence[str]) -> None:
    """Prints the plan of a run, and what other options would change."""
    config = _parse(words)
    quiet_transformers()
    from vlm_agent.models.places import asking_hub
    from vlm_agent.planning.plan import make_plan, suggestions
    from vlm_agent.planning.report import plan_text, plan_values, suggestion_text

    with asking_hub(config.model):  # of all plans, so that a hub that is away is awaited once
        found = make_plan(config)
        others = suggestions(config) if config.suggestions else ()
        if config.json:
            print(json.dumps(plan_values(found, list(others)), indent=2))
            return
        print(plan_text(found), flush=True)
        for number, other in enumerate(others):
            if not number:
                print("\nwith other options:\n  update   rollout")
            print(suggestion_text(other), flush=True)


def _parse(words: Sequence[str]) -> PlanConfig:
    parser = OptionParser(PlanConfig, "vlm-agent plan")
    parser.add(
        "Run",
        "--config",
        action="append",
        metavar="NAME",
        help="Recipe to read options from, as of `vlm-agent ppo`.",
    )
    given, own = parser.parse(words)
    options: dict[str, Any] = {}
    for source in own.get("config", ()):
        options.update(read_options(PlanConfig, source, "ppo"))
    left_out(PlanConfig, options, given)
    return parser.build({**options, **given})
