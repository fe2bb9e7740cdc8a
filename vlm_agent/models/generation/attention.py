"""Attention of a single new token, without a copy of the keys for every head that shares them.

Where several query heads share a key head, torch on the CPU works through the keys once per query
head. For one token, the query heads of a key head can be the positions of one query instead:
nothing is causal about a single token. transformers does so where there is padding to be masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "vlm_agent_sdpa"


@contextmanager
def packing_heads(network: Any) -> Iterator[None]:
    """Packs the query heads of a key head inside the context, on the CPU.

    Args:
        network: The Hugging Face model, without PEFT's wrapper. Only the language model's attention
            is changed, and only if it is torch's own (`sdpa`).
    """
    config = network.config.get_text_config(decoder=True)
    if config._attn_implementation != "sdpa" or network.device.type != "cpu":
        yield
        return
    config._attn_implementation_internal = _NAME
    try:
        yield
    finally:
        config._attn_implementation_internal = "sdpa"


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Returns the output of attention, shape (batch, tokens, heads, size), as `sdpa` does."""
    batch, heads, tokens, size = query.shape
    groups = key.shape[1]
    masked = attention_mask is not None or options.get("position_bias") is not None
    if tokens > 1 or groups == heads or masked:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    packed = query.reshape(batch, groups, heads // groups, size)
    options["is_causal"] = False
    # A module of its own kind, because this one says that keys are shared.
    output, _ = sdpa_attention_forward(_ALONE, packed, key, value, None, **options)
    return output.transpose(1, 2).reshape(batch, 1, heads, value.shape[-1]), None


_ALONE = nn.Module()
AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)
