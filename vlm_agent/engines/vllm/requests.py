"""What vLLM is asked for, in process or as a server, and what is made of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.errors import EngineError
from vlm_agent.core.types import Observation
from vlm_agent.models.generation.replies import Written
from vlm_agent.models.policy import VLMPolicy

# Of vLLM's sampling: below the lowest temperature it silently takes another.
_TEMPERATURES = (0.01, 2.0)
# Added to the logits of tokens that must not be written; vLLM takes nothing lower.
_BAN = -100.0


@dataclass(frozen=True)
class Request:
    """One reply to be written.

    Attributes:
        prompt: The complete text of the prompt, with one placeholder for each picture.
        prompt_ids: Its tokens as the policy's own model gets them, with all those of pictures.
        images: Its pictures, uint8 of shape (height, width, 3).
        seed: Random seed of the reply; `None` for a greedy one.
        adds_special_tokens: Whether the tokenizer adds its special tokens to the text.
    """

    prompt: str
    prompt_ids: list[int]
    images: tuple[NDArray[np.uint8], ...]
    seed: int | None
    adds_special_tokens: bool


def check_sampling(policy: VLMPolicy) -> None:
    """Raises a `ValueError` if vLLM cannot sample as the policy does."""
    low, high = _TEMPERATURES
    temperature = policy.generation_config.temperature
    if temperature and not low <= temperature <= high:
        raise ValueError(
            f"temperature={temperature:g} with the engine vllm: expected 0, or {low:g} to {high:g}"
        )


def requests_for(
    policy: VLMPolicy,
    observations: Sequence[Observation],
    draws: Sequence[np.random.Generator] | None,
) -> list[Request]:
    """Returns the requests for replies to observations.

    Args:
        policy: The policy.
        observations: The observations.
        draws: The random generator of each reply, from which one number is drawn; by default the
            policy's own generator draws them.
    """
    prompts = policy.encoder.prompts(observations, policy.prompt_builder)
    seeds: list[int | None] = [None] * len(observations)
    if policy.generation_config.temperature > 0:
        seeds = list(_seeds(policy, len(observations), draws))
    begin = policy.tokenizer.bos_token
    return [
        # The text is the prompt's key: as `Preparer`, which adds no second first token.
        Request(
            prompt.key[0],
            prompt.token_ids,
            policy.prompt_builder.pictures(observation),
            seed,
            not (begin and prompt.key[0].startswith(begin)),
        )
        for observation, prompt, seed in zip(observations, prompts, seeds, strict=True)
    ]


def sampling_options(policy: VLMPolicy) -> dict[str, Any]:
    """Returns the fields of vLLM's sampling parameters, except for the seed."""
    config = policy.generation_config
    return {
        "temperature": config.temperature,
        "top_k": config.top_k,
        "top_p": config.top_p,
        "max_tokens": config.max_new_tokens,
        "stop_token_ids": policy.encoder.end_tokens,
        "ignore_eos": True,  # it is one of the closing tokens where the policy has it
        "logit_bias": dict.fromkeys(policy.encoder.unwritable_tokens, _BAN),
        "logprobs": 0,  # of the sampled token alone
        "detokenize": False,
    }


def written(
    policy: VLMPolicy,
    request: Request,
    prompt_ids: Sequence[int],
    tokens: Sequence[int],
    log_probs: Sequence[float],
) -> Written:
    """Returns an answer as the tokens of a reply.

    Raises:
        EngineError: If it is empty, or answers another prompt than the policy's own model gets.
    """
    if list(prompt_ids) != request.prompt_ids:
        at = next(
            (
                i
                for i, (a, b) in enumerate(zip(prompt_ids, request.prompt_ids, strict=False))
                if a != b
            ),
            min(len(prompt_ids), len(request.prompt_ids)),
        )
        raise EngineError(
            f"vLLM read another prompt than the policy: {len(prompt_ids)} tokens instead of "
            f"{len(request.prompt_ids)}, different from token {at} on; vLLM has "
            f"{list(prompt_ids[at : at + 8])}, the policy {request.prompt_ids[at : at + 8]}; its "
            "processor prepares text or pictures of this model otherwise: use --engine hf"
        )
    if not tokens:
        raise EngineError("vLLM answered without a token: expected at least the closing one")
    if policy.generation_config.temperature <= 0:
        log_probs = [0.0] * len(tokens)
    return Written.of(policy.encoder, tokens, log_probs)


def _seeds(policy: VLMPolicy, count: int, draws: Sequence[np.random.Generator] | None) -> list[int]:
    if draws is None:
        import torch

        numbers = torch.randint(2**62, (count,), generator=policy.generator)
        return [int(number) for number in numbers]
    return [int(each.integers(2**62)) for each in draws]
