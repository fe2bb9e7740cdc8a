"""What passes of a policy without weights would keep in memory, by running the policy's own code.

`VLMPolicy.score` with its backward pass, and the first token of replies.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from vlm_agent.core.types import Observation, Task
from vlm_agent.planning.model import WeightlessPolicy
from vlm_agent.planning.simulation import Simulation

# Stands for all: what is read of observations are the planned inputs.
_OBSERVATION = Observation(np.zeros((1, 1, 3), np.uint8), Task("", None), actions=("-",))


class UpdateMemory(NamedTuple):
    """Bytes of the forward and backward pass of a micro-batch.

    Attributes:
        pictures: Inputs of the vision tower.
        activations: What is kept for the backward pass, and its own needs beyond those of `logits`.
        logits: What the scores of replies take beyond that.
    """

    pictures: int
    activations: int
    logits: int


class RolloutMemory(NamedTuple):
    """Bytes of a batch of replies.

    Attributes:
        pictures: Inputs of the vision tower.
        activations: The most that reading the prompts takes, beyond the cache.
        cache: Key-value cache of the prompts.
        logits: What sampling one token for each reply takes.
    """

    pictures: int
    activations: int
    cache: int
    logits: int


def measure_update(
    planned: WeightlessPolicy, steps: int, reply_tokens: int, *, entropy: bool
) -> UpdateMemory:
    """Measures scoring a micro-batch, and its backward pass.

    Args:
        planned: The policy; it can be used once.
        steps: Steps in a micro-batch.
        reply_tokens: Tokens of each reply.
        entropy: Whether entropies are computed.
    """
    policy, simulation = planned.policy, Simulation()
    simulation.without_memory(policy)
    for parameter in policy.parameters():
        if parameter.requires_grad:
            # As if it were added to that of the micro-batches before, which counts as `gradients`.
            parameter.register_post_accumulate_grad_hook(_drop_gradient)
    before = simulation.live
    inputs = planned.inputs(simulation, steps)
    pictures = simulation.live - before
    marks: dict[str, int] = {}

    def at_logits(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        if marks or not args[0].requires_grad:  # a later chunk, or a trial
            return
        marks["before"] = simulation.peak
        marks["kept"] = simulation.peak = simulation.live
        args[0].register_hook(behind_logits)

    def behind_logits(_: Tensor) -> None:
        marks["logits"] = simulation.peak

    policy.network.get_output_embeddings().register_forward_pre_hook(at_logits)
    policy.encode = lambda observations: inputs  # type: ignore[method-assign]
    # One is shorter, as nearly always: masks of padding take memory in every layer.
    replies = [[0] * reply_tokens] * (steps - 1) + [[0] * max(1, reply_tokens - (steps > 1))]
    with simulation:
        scores = policy.score([_OBSERVATION] * steps, replies, entropy=entropy)
        loss = scores.log_probs.sum() + scores.values.sum()
        if scores.entropies is not None:
            loss = loss + scores.entropies.sum()
        loss.backward()
    logits = marks["logits"] - marks["kept"]
    most = max(marks["before"], simulation.peak)
    return UpdateMemory(pictures, most - before - pictures - logits, logits)


def _drop_gradient(parameter: Tensor) -> None:
    parameter.grad = None


def measure_rollout(planned: WeightlessPolicy, replies: int) -> RolloutMemory:
    """Measures reading the prompts of a batch of replies, and sampling their first tokens.

    Args:
        planned: The policy; it can be used once.
        replies: Number of replies that are written together.
    """
    policy, simulation = planned.policy, Simulation()
    policy.generation_config = replace(policy.generation_config, max_new_tokens=1, temperature=1.0)
    simulation.without_memory(policy)
    before = simulation.live
    inputs = planned.inputs(simulation, replies)
    pictures = simulation.live - before
    if replies > 1:
        inputs["attention_mask"][0, 0] = 0  # padding, as nearly always
    marks: dict[str, int] = {}

    def at_end(_: nn.Module, args: Any, output: Any) -> None:
        marks["cache"] = _cache_size(output.past_key_values)
        marks["passed"] = simulation.peak
        marks["kept"] = simulation.peak = simulation.live

    policy.network.register_forward_hook(at_end)
    # All prompts differ: equal ones, which are read once, take less.
    policy.encode_distinct = lambda observations: (inputs, list(range(replies)))  # type: ignore[method-assign]
    # Adapters are merged while replies are written: passes are those of the model without them.
    unadapted = policy.model.disable_adapter() if policy.has_adapter else nullcontext()
    with simulation, unadapted:
        policy.act([_OBSERVATION] * replies)
    activations = marks["passed"] - before - pictures - marks["cache"]
    return RolloutMemory(pictures, activations, marks["cache"], simulation.peak - marks["kept"])


def _cache_size(cache: Any) -> int:
    """Returns the bytes of all tensors of a cache."""
    values = [value for layer in cache.layers for value in vars(layer).values()]
    return sum(value.nbytes for value in values if isinstance(value, Tensor))
