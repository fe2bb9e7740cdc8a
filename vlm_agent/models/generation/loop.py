"""Writing replies: one token per pass for every reply that is not finished.

`transformers.generate` prepares a model's inputs and hands over to this loop (`custom_generate`),
which uses the two methods that every model class has for it. Tokens are drawn from the policy's own
distribution and their log-probabilities kept, so that no second pass is needed, and finished
replies leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import Cache
from transformers import GenerationConfig as HFGenerationConfig

from vlm_agent.models import sampling
from vlm_agent.models.forward import hidden_states, without_generation_defaults
from vlm_agent.models.generation.attention import packing_heads
from vlm_agent.models.generation.cache import has_rows, reserve_room

# Shrinking a batch copies its cache, which pays off only if enough of the rows are dropped.
_MIN_SHARE_TO_DROP = 0.25
_CHECK_EVERY = 8
# Returns tokens and their log-probabilities, each of shape (rows,), given logits of shape (rows,
# vocabulary), the rows' indices in the batch, and the number of tokens that each has written.
TokenChooser = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


class WrittenReplies(NamedTuple):
    """Replies to a batch of prompts.

    Attributes:
        tokens: Token ids, one list per row; those after a closing token are meaningless.
        log_probs: Log-probabilities of the tokens.
        prompt_state: Hidden state of each prompt's last token, shape (batch, hidden size).
    """

    tokens: list[list[int]]
    log_probs: list[list[float]]
    prompt_state: Tensor


def write_replies(
    network: Any,
    inputs: Mapping[str, Tensor],
    choose: TokenChooser,
    *,
    end_tokens: list[int],
    pad_token: int,
    max_new_tokens: int,
    places: Sequence[int] | None = None,
    check_every: int | None = None,
) -> WrittenReplies:
    """Writes replies to a batch of prompts.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
        inputs: Its inputs, padded on the left.
        choose: Chooses the next tokens.
        end_tokens: Ids that close a reply.
        pad_token: Id for padding.
        max_new_tokens: Number of tokens after which a reply is cut off.
        places: Index of each reply's prompt, where several answer the same: it is read once. By
            default each prompt gets one reply.
        check_every: Number of tokens after which to ask whether replies are finished. Asking waits
            for a GPU, and finished replies meanwhile write on; so by default 8, and 1 on the CPU.
    """
    if check_every is None:
        check_every = 1 if inputs["input_ids"].device.type == "cpu" else _CHECK_EVERY
    copies = None
    if places is not None and list(places) != list(range(len(inputs["input_ids"]))):
        copies = torch.tensor(places, device=inputs["input_ids"].device)
    writer = _ReplyWriter(choose, end_tokens, check_every, copies)
    with (
        without_generation_defaults(network),
        packing_heads(network),
        hidden_states(network) as hidden,
    ):
        network.generate(
            **inputs,
            generation_config=HFGenerationConfig(
                do_sample=False,
                max_new_tokens=max_new_tokens,
                eos_token_id=end_tokens,
                pad_token_id=pad_token,
            ),
            custom_generate=writer,
        )
    state = hidden[0][:, -1]
    return WrittenReplies(
        writer.tokens, writer.log_probs, state if copies is None else state[copies]
    )


def greedy_chooser(banned: Tensor) -> TokenChooser:
    """Returns a chooser of the most likely token, with 0 for its log-probability.

    Args:
        banned: Added to the logits: 0, or -inf for tokens that must not be written.
    """

    def choose(logits: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        return (logits.float() + banned).argmax(-1), logits.new_zeros(len(logits))

    return choose


def sampling_chooser(log_probs_of: Callable[[Tensor], Tensor], uniform: Tensor) -> TokenChooser:
    """Returns a chooser that samples tokens.

    Args:
        log_probs_of: Maps logits to the log-probabilities to sample from.
        uniform: Random numbers in [0, 1) for all tokens, shape (batch, longest reply).
    """

    def choose(logits: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        log_probs = log_probs_of(logits)
        tokens = sampling.draw(log_probs, uniform[rows, count])
        return tokens, log_probs.gather(1, tokens[:, None])[:, 0]

    return choose


class _ReplyWriter:
    """The `custom_generate` of `transformers.generate`."""

    def __init__(
        self,
        choose: TokenChooser,
        end_tokens: Sequence[int],
        check_every: int,
        copies: Tensor | None,
    ) -> None:
        self._choose = choose
        self._end_tokens = end_tokens
        self._check_every = check_every
        self._copies = copies
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
        """Writes until all replies are finished; returns the prompts unchanged."""
        prompts = input_ids
        batch = len(prompts) if self._copies is None else len(self._copies)
        end_tokens = torch.tensor(self._end_tokens, device=input_ids.device)
        rows = torch.arange(batch, device=input_ids.device)
        writing = torch.ones(batch, dtype=torch.bool, device=input_ids.device)
        # Kept on the device until the end: reading a value would synchronise at every token.
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
            logits = outputs.logits[:, -1]
            if count == 0 and self._copies is not None:
                if not _select_rows(model_kwargs, self._copies, len(prompts)):
                    raise RuntimeError(
                        f"the cache of a {type(model).__name__} has no rows to copy: it is no "
                        "cache of keys and values, as `can_share_prompts` took it for"
                    )
                logits, input_ids = logits[self._copies], prompts[self._copies]
            tokens, log_probs = self._choose(logits, rows, count)
            chosen.append((rows, tokens, log_probs))
            writing &= ~torch.isin(tokens, end_tokens)
            input_ids = torch.cat([input_ids, tokens[:, None]], dim=1)
            if count == 0:
                reserve_room(model_kwargs.get("cache"))
            if (count + 1) % self._check_every:
                continue
            left = int(writing.sum())
            if not left:
                break
            if left <= (1 - _MIN_SHARE_TO_DROP) * len(rows):
                stays = writing.nonzero()[:, 0]
                if _select_rows(model_kwargs, stays, len(rows)):
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


def _select_rows(model_kwargs: dict[str, Any], rows: Tensor, batch: int) -> bool:
    """Reduces a model's keyword arguments to some rows of the batch, in place.

    Returns:
        False if that is impossible: some caches, such as those of linear attention, have no rows.
    """
    cache: Any = next((v for v in model_kwargs.values() if isinstance(v, Cache)), None)
    if not has_rows(cache):
        return False
    cache.batch_select_indices(rows)
    for name, value in model_kwargs.items():
        if not isinstance(value, Tensor):
            continue
        # Positions may have several numbers per token, in dimensions before that of the batch.
        dimension = value.ndim - 2 if name == "position_ids" else 0
        if value.shape[dimension] == batch:
            model_kwargs[name] = value.index_select(dimension, rows)
    return True
