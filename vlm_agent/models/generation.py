"""The loop that writes replies: one token a pass for every reply that is not finished yet.

`transformers.generate` prepares a model's inputs and hands over to this loop (`custom_generate`),
which works through the two methods that every model class has for it. Tokens are drawn from the
policy's own distribution and their log-probabilities kept, so that no second pass is needed, and
finished replies leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers import GenerationConfig as HFGenerationConfig

# What a batch is cut to is copied, which pays where enough of it is dropped.
_SHARE_WORTH_DROPPING = 0.25
# Tokens and their log-probabilities, from logits, the rows they belong to, and the tokens' place.
Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


class ReplyWriter:
    """Writes replies to a batch of prompts, as `custom_generate` of `transformers.generate`.

    Args:
        choose: Chooses a token for each row of logits, shape (rows, vocabulary), given which rows
            of the batch they are and how many tokens each has written; returns the tokens and
            their log-probabilities, each of shape (rows,).
        end_tokens: Ids that close a reply.

    Attributes:
        tokens: What was written, a list a row; what follows a closing token is of no use.
        log_probs: Of the tokens.
    """

    def __init__(
        self,
        choose: Choose,
        end_tokens: Sequence[int],
    ) -> None:
        self._choose = choose
        self._end_tokens = end_tokens
        self.tokens: list[list[int]] = []
        self.log_probs: list[list[float]] = []

    def __call__(
        self,
        model: Any,
        input_ids: Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: HFGenerationConfig,
        **model_kwargs: Any,
    ) -> Tensor:
        """Writes until all replies are finished; returns the prompts as they were given."""
        prompts, batch = input_ids, len(input_ids)
        end_tokens = torch.tensor(self._end_tokens, device=input_ids.device)
        rows = torch.arange(batch, device=input_ids.device)
        writing = torch.ones(batch, dtype=torch.bool, device=input_ids.device)
        # Kept on the device until the end: reading a value would wait for it at every token.
        chosen: list[tuple[Tensor, Tensor, Tensor]] = []
        for count in range(generation_config.max_new_tokens):
            inputs = model.prepare_inputs_for_generation(
                input_ids,
                next_sequence_length=1 if count else None,
                is_first_iteration=count == 0,
                **model_kwargs,
            )
            outputs = model(**inputs, return_dict=True)
            model_kwargs = model._update_model_kwargs_for_generation(
                outputs, model_kwargs, is_encoder_decoder=False
            )
            tokens, log_probs = self._choose(outputs.logits[:, -1], rows, count)
            chosen.append((rows, tokens, log_probs))
            writing &= ~torch.isin(tokens, end_tokens)
            left = int(writing.sum())
            if not left:
                break
            input_ids = torch.cat([input_ids, tokens[:, None]], dim=1)
            if left <= (1 - _SHARE_WORTH_DROPPING) * len(rows):
                stays = writing.nonzero()[:, 0]
                if _select(model_kwargs, stays, len(rows)):
                    rows, writing, input_ids = rows[stays], writing[stays], input_ids[stays]
        self._collect(batch, chosen)
        return prompts

    def _collect(self, batch: int, chosen: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        self.tokens = [[] for _ in range(batch)]
        self.log_probs = [[] for _ in range(batch)]
        for step in chosen:
            for row, token, log_prob in zip(*(each.tolist() for each in step), strict=True):
                self.tokens[row].append(token)
                self.log_probs[row].append(log_prob)


def _cache_of(model_kwargs: dict[str, Any]) -> Cache | None:
    return next((value for value in model_kwargs.values() if isinstance(value, Cache)), None)


def _select(model_kwargs: dict[str, Any], rows: Tensor, batch: int) -> bool:
    """Cuts what the model is given next to some rows of the batch.

    Returns:
        Whether that could be done: some caches, such as those of linear attention, cannot be cut.
    """
    cache = _cache_of(model_kwargs)
    layers = getattr(cache, "layers", None)
    if layers is None or not all(hasattr(layer, "batch_select_indices") for layer in layers):
        return False
    cache.batch_select_indices(rows)  # type: ignore[union-attr]
    for name, value in model_kwargs.items():
        if not isinstance(value, Tensor):
            continue
        # Positions may have several numbers a token, in dimensions before that of the batch.
        dimension = value.ndim - 2 if name == "position_ids" else 0
        if value.shape[dimension] == batch:
            model_kwargs[name] = value.index_select(dimension, rows)
    return True
