"""Turns vision-language models into policies, trains them by reward, and measures them.

What needs torch is imported on first use, so that tasks, prompts and parsers work without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlm_agent.comparison import Lazy, compare
from vlm_agent.configuration import load_config
from vlm_agent.demonstrations import Demonstrator
from vlm_agent.episodes import Step, play
from vlm_agent.evaluate import Evaluation, evaluate
from vlm_agent.parsing import parse
from vlm_agent.task import Observation, Reply, Task, make_env, observe, task_of

if TYPE_CHECKING:
    from vlm_agent.policy import VLMPolicy
    from vlm_agent.ppo_config import PPOConfig
    from vlm_agent.ppo_training import resume_ppo, train_ppo
    from vlm_agent.settings import Settings
    from vlm_agent.sft import SFTConfig, resume_sft, train_sft

_WITH_TORCH = {
    "Settings": "settings",
    "VLMPolicy": "policy",
    "PPOConfig": "ppo_config",
    "resume_ppo": "ppo_training",
    "train_ppo": "ppo_training",
    "SFTConfig": "sft",
    "resume_sft": "sft",
    "train_sft": "sft",
}

__all__ = [
    "Demonstrator",
    "Evaluation",
    "Lazy",
    "Observation",
    "PPOConfig",
    "Reply",
    "SFTConfig",
    "Settings",
    "Step",
    "Task",
    "VLMPolicy",
    "compare",
    "evaluate",
    "load_config",
    "make_env",
    "observe",
    "parse",
    "play",
    "resume_ppo",
    "resume_sft",
    "task_of",
    "train_ppo",
    "train_sft",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from the module that needs torch."""
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
