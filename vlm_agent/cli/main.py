"""The command `vlm-agent`: finds the command that is asked for, and reports mistakes in a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vlm_agent.core.errors import NotWholeError

_INSTALL = 'pip install "gym-cards[agent]"'
_USAGE = """usage: vlm-agent {sft,ppo,merge,eval,serve,report,export,play,show,demo} [options]

Trains and measures vision-language agents.

  sft    fine-tune a model on the replies of an environment's expert
  ppo    train a policy by its environment's reward
  merge  add a low-rank adapter to the weights of its model
  eval   measure policies in environments
  serve  offer a policy to others by the OpenAI chat-completions API
  report write runs, evaluations and recorded episodes into one HTML page
  export turn recorded episodes into fine-tuning data
  play   watch a policy play in a window
  show   print what a model is given, and what an expert would reply
  demo   all of it on NumberLine, in a few minutes on a laptop

`vlm-agent COMMAND --help` lists the options of each. Those of sft and ppo may come from YAML:
--config takes a file, the directory of a run, or the name of a ready one, such as points24.
docs/start/your-model-and-environment.md shows how to train your own model, docs/training/ppo.md
explains the method.
"""
_COMMANDS = {
    "sft": "sft",
    "ppo": "ppo",
    "merge": "merge",
    "eval": "eval_",
    "serve": "serve",
    "report": "report",
    "export": "export",
    "play": "play",
    "show": "show",
    "demo": "demo",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_USAGE, end="")
        return 0 if words else 2
    if words[0] not in _COMMANDS:
        print(f"vlm-agent: unknown command {words[0]!r}\n\n{_USAGE}", end="", file=sys.stderr)
        return 2
    try:
        # Imported here, so that a package that is missing is reported like any other mistake.
        from vlm_agent.cli import commands

        getattr(commands, _COMMANDS[words[0]])(words[1:])
    except KeyboardInterrupt:
        print("\nvlm-agent: interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"vlm-agent: {error.name} is not installed; run: {_INSTALL}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ImportError, MemoryError, NotWholeError) as error:
        # These say what was given and what to do, which a traceback would bury.
        if os.environ.get("VLM_AGENT_TRACEBACK"):
            raise
        print("; ".join([f"vlm-agent: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 1
    return 0
