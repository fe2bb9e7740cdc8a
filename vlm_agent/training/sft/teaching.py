"""Demonstrations as a policy has to write them: in its chat template, and within its context."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from vlm_agent.core.prompts import Chat, texts_of
from vlm_agent.core.types import Demonstration, Observation
from vlm_agent.data.conversation_dataset import Sample
from vlm_agent.data.conversations import DatasetError
from vlm_agent.models.policy import VLMPolicy


def read(policy: VLMPolicy, batch: Iterable[Demonstration | Sample]) -> list[Demonstration]:
    """Returns the demonstrations of a batch, with those read that are rows of a data set.

    A history holds what the policy would have written, as far as a prompt has room for it.

    Raises:
        DatasetError: If a row cannot be learned from whole: a picture cannot be read, the chat
            template leaves a message out, or the conversation is longer than the model's context.
    """
    return [
        _read(policy, each) if isinstance(each, Sample) else _with_history(policy, each)
        for each in batch
    ]


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


def _with_history(policy: VLMPolicy, item: Demonstration) -> Demonstration:
    """Returns a demonstration whose earlier replies are what the policy would have written."""
    builder, observation = policy.prompt_builder, item.observation
    own = builder.own_replies(observation)
    completion = policy.encoder.template.completion
    if own and isinstance(observation, Chat):
        messages = list(observation.messages)
        for place in range(len(messages) - 2 * own, len(messages), 2):
            text = completion(observation.messages[:place], texts_of(messages[place:])[0])
            content = [{"type": "text", "text": text}]
            messages[place] = {**messages[place], "content": content}
        observation = replace(observation, messages=tuple(messages))
    elif own:
        history = tuple(
            replace(
                step, reply=completion(builder.messages(cast(Observation, step.asked)), step.reply)
            )
            for step in observation.history
        )
        observation = replace(observation, history=history)
    return replace(item, observation=policy.fit_history(observation))


def _read(policy: VLMPolicy, sample: Sample) -> Demonstration:
    try:
        item = _with_history(policy, sample.load())
        _check(policy, item)
    except Exception as error:  # whatever a chat template or processor raises
        raise DatasetError(f"{sample.place}: {error}") from error
    return item


def _check(policy: VLMPolicy, item: Demonstration) -> None:
    """Checks that nothing of a conversation is left out."""
    messages = policy.prompt_builder.messages(item.observation)
    prompt = _squeeze(policy.prompt(item.observation))
    for message, text in zip(messages, texts_of(messages), strict=True):
        # Templates may leave out what an assistant thought in an earlier turn.
        if message["role"] != "assistant" and any(
            _squeeze(line) not in prompt for line in text.splitlines()
        ):
            raise ValueError(
                f"the chat template leaves out the message of the {message['role']}, "
                f"{text!r:.80}: use messages that it writes, or another chat template"
            )
    length = policy.prompt_lengths([item.observation])[0] + len(
        policy.encode_reply(as_written(policy, item).reply)
    )
    context = policy.encoder.context_length
    if context is not None and length > context:
        raise ValueError(
            f"{length} tokens with the reply, for a model with a context of at most {context}: "
            "shorten the conversation, or use a model with a longer context"
        )


def _squeeze(text: str) -> str:
    return "".join(text.split())
