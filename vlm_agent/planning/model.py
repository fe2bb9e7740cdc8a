"""The policy of a run without its weights: shapes and number formats from the config alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.environments import make_env
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.types import Observation, PastStep
from vlm_agent.models import lora
from vlm_agent.models.inputs.cache import Row, join_rows
from vlm_agent.models.inputs.processors import has_processor, load_processor
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.planning.plan_config import PlanConfig
from vlm_agent.planning.simulation import Simulation


@dataclass(frozen=True)
class WeightlessPolicy:
    """A policy on torch's meta device, and the inputs of its longest prompt.

    Attributes:
        policy: The policy.
        row: Inputs of one prompt, pictures on the meta device.
        notes: What could not be found out, in sentences.
    """

    policy: VLMPolicy
    row: Row
    notes: tuple[str, ...]

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens of the prompt, including those of pictures."""
        return self.row["input_ids"].shape[1]

    @property
    def picture_tokens(self) -> int:
        """Number of tokens of the prompt that stand for pictures."""
        return int((self.row["input_ids"] == _image_token(self.policy.network.config)).sum())

    def inputs(self, simulation: Simulation, count: int) -> dict[str, Tensor]:
        """Returns the inputs of a batch; the memory of its pictures is counted."""
        dtype = self.policy.network.get_input_embeddings().weight.dtype
        joined = join_rows([self.row] * count, self.policy.encoder.pad_token)
        return {
            name: simulation.tensor(*value.shape, dtype=dtype) if value.is_meta else value
            for name, value in joined.items()
        }


def weightless_policy(config: PlanConfig) -> WeightlessPolicy:
    """Builds the policy that `VLMPolicy.load` would load, without its weights.

    Raises:
        ImportError: If a package is missing that the model's processor needs.
        OSError: If the model has no config.
        ValueError: If the prompt is longer than `config.prompt_tokens`.
    """
    directory = Path(config.model)
    base = lora.find_base(directory) if lora.is_adapter(directory) else config.model
    model_config: Any = AutoConfig.from_pretrained(
        base, trust_remote_code=config.trust_remote_code
    )
    processor, notes = _processor(config, base, model_config)
    generation = GenerationConfig.load(directory).with_changes(
        cot=config.cot,
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        history_length=config.history_length,
        prompt=config.prompt,
        system_prompt=config.system_prompt,
    )
    with torch.device("meta"):
        policy = VLMPolicy(*_model(config, model_config), generation, processor=processor)
    return WeightlessPolicy(policy, *_row(config, policy, notes))
