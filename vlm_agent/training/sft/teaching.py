"""Demonstrations as a policy has to write them: in its chat template, and within its context."""

from __future__ import annotations

from dataclasses import replace

from vlm_agent.core.types import Demonstration
from vlm_agent.models.policy import VLMPolicy


def as_written(policy: VLMPolicy, item: Demonstration) -> Demonstration:
    """Returns a demonstration whose reply is what the policy has to write after its prompt.

    A chat template may open a tag in the prompt that the reply has to close; see
    `ChatTemplate.completion`.

    Raises:
        ValueError: If the template writes special tokens inside a reply.
    """
    messages = policy.prompt_builder.messages(item.observation)
    reply = policy.encoder.template.completion(messages, item.reply)
    if reply == item.reply:
        return item
    if item.learned is None:
        return replace(item, reply=reply)
    if (start := reply.find(item.reply)) < 0:
        return item
    first, last = item.learned
    return replace(item, reply=reply, learned=(start + first, start + last))
