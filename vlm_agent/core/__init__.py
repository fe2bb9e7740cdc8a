"""Plain values, the protocol with environments, prompts and parsing. Nothing here needs torch."""

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.errors import NotWholeError, ProtocolError
from vlm_agent.core.parsing import ParsedReply, parse, read_reply
from vlm_agent.core.prompts import build_prompt, build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds, training_seeds
from vlm_agent.core.types import Demonstration, Observation, PastStep, Reply, Task, Usage

__all__ = [
    "Demonstration",
    "EnvFactory",
    "NotWholeError",
    "Observation",
    "ParsedReply",
    "PastStep",
    "ProtocolError",
    "Reply",
    "Task",
    "Usage",
    "build_prompt",
    "build_reply",
    "episode_seeds",
    "make_env",
    "observe",
    "parse",
    "read_reply",
    "task_of",
    "training_seeds",
]
