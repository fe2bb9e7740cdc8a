"""A model with its processor: what it gets of observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.types import Observation
from vlm_agent.models.inputs.encoder import Encoder
from vlm_agent.models.inputs.preparing import PromptTooLongError
from vlm_agent.models.inputs.vision_cache import VisionCache


class ProcessedModel(nn.Module):
    """Base of `VLMPolicy`: a model, its processor, and the inputs that it makes of observations.

    Attributes:
        model: The model, perhaps in a `peft.PeftModel`.
        processor: Its processor.
        generation_config: Options of prompts.
        encoder: Encodes observations and replies.
        vision: Cache of image features.
    """

    model: Any
    processor: Any
    generation_config: GenerationConfig
    encoder: Encoder
    vision: VisionCache

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        """Device of the model's weights."""
        return cast(torch.device, self.model.device)

    @property
    def network(self) -> Any:
        """The Hugging Face model without PEFT's wrapper; an adapter inside it stays active."""
        return self.model.get_base_model() if self.has_adapter else self.model

    @property
    def has_adapter(self) -> bool:
        """True if the model has a low-rank adapter."""
        return hasattr(self.model, "get_base_model")

    @property
    def cot(self) -> bool:
        """True if replies contain reasoning before the action."""
        return self.generation_config.cot

    @property
    def prompt_builder(self) -> PromptBuilder:
        """Builds the prompts of observations."""
        return self.generation_config.prompt_builder

    @property
    def history_length(self) -> int:
        """Number of earlier steps of the episode that observations should contain."""
        return self.generation_config.history_length

    def fit_history(self, observation: Observation) -> Observation:
        """Returns an observation without what its prompt does not show of earlier steps.

        That is all but the actions, if they alone are shown, and the oldest steps if there is no
        room for them. There is room for `history_tokens`, and for what the model's context holds
        with a reply. A prompt without earlier steps is never shortened, nor one of pictures and
        actions, or of actions, without `history_tokens`.
        """
        config = self.generation_config
        if config.history == "actions":
            observation = observation.with_actions_alone()
        if config.history != "replies" and config.history_tokens is None:
            return observation
        while observation.history and not self._has_room(observation):
            observation = replace(observation, history=observation.history[1:])
        return observation

    def _has_room(self, observation: Observation) -> bool:
        config, context = self.generation_config, self.encoder.context_length
        try:
            (length,) = self.prompt_lengths([observation])
        except PromptTooLongError:
            return False
        fits = config.history_tokens is None or length <= config.history_tokens
        return fits and (context is None or length + config.max_new_tokens <= context)

    def prompt(self, observation: Observation) -> str:
        """Returns the complete text of the model's prompt, chat template included."""
        return self.encoder.prompt(observation, self.prompt_builder)

    def encode(self, observations: Sequence[Observation]) -> dict[str, Tensor]:
        """Returns the model's inputs for a batch of observations, padded on the left."""
        inputs = self.encoder.encode(observations, self.prompt_builder)
        return {name: self._placed(value) for name, value in inputs.items()}

    def encode_distinct(
        self, observations: Sequence[Observation]
    ) -> tuple[dict[str, Tensor], list[int]]:
        """Returns what `encode` does with equal observations once, and the row of each."""
        inputs, places = self.encoder.encode_distinct(observations, self.prompt_builder)
        return {name: self._placed(value) for name, value in inputs.items()}, places

    def prefetch(self, observations: Sequence[Observation]) -> None:
        """Begins to prepare observations in worker threads, for the next pass over them."""
        self.encoder.prefetch(observations, self.prompt_builder, self.vision.holds)

    def prompt_lengths(self, observations: Sequence[Observation]) -> list[int]:
        """Returns the number of tokens of each prompt, including those of pictures."""
        return [each.length for each in self.encoder.prompts(observations, self.prompt_builder)]

    def picture(self, observation: Observation) -> NDArray[np.uint8]:
        """Returns the picture as the model gets it; see `Encoder.picture`."""
        return self.encoder.picture(observation, self.prompt_builder)

    def encode_reply(self, text: str) -> list[int]:
        """Returns the tokens of a reply, including the closing one; see `Encoder.encode_reply`."""
        return self.encoder.encode_reply(text)

    def action_token(self, tokens: Sequence[int], action_start: int | None) -> int:
        """Returns the index of the action part's first token; see `Encoder.action_token`."""
        return self.encoder.action_token(tokens, action_start)

    @property
    def _weights_dtype(self) -> torch.dtype:
        """Number format of the weights that see pictures and tokens first."""
        return cast(torch.dtype, self.network.get_input_embeddings().weight.dtype)

    def _placed(self, value: Tensor) -> Tensor:
        """Returns an input on the model's device, floats in the number format of its weights."""
        return value.to(self.device, self._weights_dtype if value.is_floating_point() else None)
