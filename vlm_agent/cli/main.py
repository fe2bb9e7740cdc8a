"""The command `vlm-agent`: dispatches to a command, and reports mistakes in one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from vlm_agent.core.errors import EngineError, NotWholeError
from vlm_agent.core.system.signals import sigterm_interrupts

_INSTALL = 'pip install "gym-cards[agent]"'
_USAGE = """usage: vlm-agent COMMAND [options]

Trains and evaluates vision-language agents. The commands are:

  check      try out an environment: what is wrong with it, and what an agent gets
  sft        fine-tune a model on an environment's expert, or on a data set
  ppo        train a policy by reinforcement learning on an environment's reward
  plan       print the memory that `ppo` will take, before anything is loaded
  merge      merge a low-rank adapter into the weights of its model
  push       push a policy to the Hugging Face hub, with a model card
  pull       download a policy from the hub
  eval       evaluate policies in environments
  benchmark  play a standard set of tasks, and write a record for the leaderboard
  serve      serve a policy through the OpenAI chat-completions API
  openenv    serve environments to other trainers through OpenEnv
  report     write runs, evaluations and recorded episodes into one HTML page
  export     turn recorded episodes into fine-tuning data
  play       watch a policy play in a window
  show       print what a model sees, and how an expert would reply
  demo       all of it on NumberLine, in a few minutes on a laptop

`vlm-agent COMMAND --help` lists the options of each. Those of sft and ppo can come from YAML:
--config takes a file, the directory of a run, or the name of a packaged recipe, such as points24.
docs/start/your-model-and-environment.md shows how to train your own model, docs/training/ppo.md
explains the method.
"""
_COMMANDS = {
    "check": "check:check",
    "sft": "train:sft",
    "ppo": "train:ppo",
    "plan": "plan:plan",
    "merge": "commands:merge",
    "push": "commands:push",
    "pull": "commands:pull",
    "eval": "commands:eval_",
    "benchmark": "commands:benchmark",
    "serve": "commands:serve",
    "openenv": "openenv:openenv",
    "report": "commands:report",
    "export": "commands:export",
    "play": "commands:play",
    "show": "commands:show",
    "demo": "commands:demo",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status.

    The current directory is added to the end of `sys.path`, so that environments and players in
    local modules are found, and none of them shadows an installed package.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_USAGE, end="")
        return 0 if words else 2
    if words[0] not in _COMMANDS:
        from vlm_agent.config.options import did_you_mean

        hint = did_you_mean(words[0], _COMMANDS)
        print(
            f"vlm-agent: unknown command {words[0]!r}{hint}; `vlm-agent --help` lists the commands",
            file=sys.stderr,
        )
        return 2
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        # Imported here, so that a missing package is reported like any other mistake.
        module, function = _COMMANDS[words[0]].split(":")
        run = getattr(importlib.import_module(f"vlm_agent.cli.{module}"), function)
        with sigterm_interrupts():
            return run(words[1:]) or 0
    except KeyboardInterrupt:
        print("\nvlm-agent: interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"vlm-agent: {error.name} is not installed; run: {_INSTALL}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ImportError, MemoryError, EngineError, NotWholeError) as error:
        # Their messages say what to do, which a traceback would hide.
        if os.environ.get("VLM_AGENT_TRACEBACK"):
            raise
        reason = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename}: {error.strerror}"
        message = "; ".join([reason, *getattr(error, "__notes__", ())])
        print(f"vlm-agent: {' '.join(message.splitlines())}", file=sys.stderr)
        return 1
