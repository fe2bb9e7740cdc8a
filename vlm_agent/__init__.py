"""Turns vision-language models into policies, trains them by reward, and measures them.

Names that need torch are imported on first use: playing and evaluating work without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlm_agent.config.files import load_config
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.environments import make_env
from vlm_agent.core.parsing import parse
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.evaluation.comparison import compare
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import Step, play
from vlm_agent.evaluation.players import LazyPolicy
from vlm_agent.evaluation.record import Evaluation

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vlm_agent.config.sft import SFTConfig
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.training.hooks.callback import Callback, Training
    from vlm_agent.training.ppo_config import PPOConfig
    from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
    from vlm_agent.training.sft.trainer import resume_sft, train_sft

_LAZY = {
    "Callback": "training.hooks.callback",
    "Training": "training.hooks.callback",
    "PPOConfig": "training.ppo_config",
    "SFTConfig": "config.sft",
    "VLMPolicy": "models.policy",
    "resume_ppo": "training.ppo_trainer",
    "train_ppo": "training.ppo_trainer",
    "resume_sft": "training.sft.trainer",
    "train_sft": "training.sft.trainer",
}

__all__ = [
    "Callback",
    "Demonstrator",
    "Evaluation",
    "GenerationConfig",
    "LazyPolicy",
    "Observation",
    "PPOConfig",
    "Reply",
    "SFTConfig",
    "Step",
    "Task",
    "Training",
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
    """Imports a public name on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
