"""Encoder: observations and replies to a model's inputs, and tokens back to text.

Everything is read from the model's config and its processor: image tokens, pads, special tokens
and the chat template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlm_agent.core.checks import batch_size
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Observation
from vlm_agent.models.generation.cache import can_share_prompts
from vlm_agent.models.inputs.cache import (
    Key,
    PreparedPicture,
    PreparedPrompt,
    key_of,
    unpack_row,
)
from vlm_agent.models.inputs.chat_template import ChatTemplate
from vlm_agent.models.inputs.families import special_case
from vlm_agent.models.inputs.preparing import Preparer
from vlm_agent.models.inputs.rows import Row, join_rows

# Products of fewer rows use other kernels, at least on the CPU, and round differently.
_MIN_ROWS = 4


class Encoder:
    """Encodes observations and replies with a model's processor.

    Args:
        model: The Hugging Face model.
        processor: Its processor.

    Attributes:
        end_tokens: Ids that close a reply. The first is the one that is taught: what the chat
            template ends a turn with, or else the tokenizer's own.
        unwritable_tokens: Ids that a reply must not contain: special tokens, and those that stand
            for no text.
        template: The chat template.
        context_length: Maximum number of tokens of a prompt and its reply, if the model has one.
        preparer: Calls the processor, and remembers what it made of observations.

    Raises:
        ValueError: If the model has no token that closes a reply.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.processor = processor
        self.template = ChatTemplate(processor)
        self.end_tokens = _end_tokens(model, self.tokenizer, self.template.end_token)
        self.unwritable_tokens = _unwritable_tokens(model, self.tokenizer, self.end_tokens)
        self._special_case = special_case(model.config)
        text = model.config.get_text_config()
        self.context_length: int | None = getattr(text, "max_position_embeddings", None)
        self.preparer = Preparer(processor, self.context_length)
        self._shares_prompts = can_share_prompts(model)

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def pad_token(self) -> int:
        """Id for padding; any will do, because padding is always masked."""
        pad = self.tokenizer.pad_token_id
        return self.end_tokens[0] if pad is None else cast(int, pad)

    # ----- prompts and pictures ---------------------------------------------------------------

    def prompt(self, observation: Observation, builder: PromptBuilder) -> str:
        """Returns the complete text of the model's prompt, chat template included.

        Raises:
            ValueError: If neither the processor nor its tokenizer has a chat template, and there
                is no token for a picture; or if the template leaves out the system message, or
                cannot write a conversation.
        """
        chat = builder.messages(observation)
        own = builder.own_replies(observation)
        if own or self.template.text is not None:
            text = self.template.conversation(chat, own) if own else self.template.render(chat)
            if builder.system_prompt not in text and not isinstance(observation, Chat):
                raise ValueError(
                    f"the chat template of {type(self.processor).__name__} leaves system messages "
                    "out: say the same in the prompt, and leave out system_prompt"
                )
            return text
        # Models that were never tuned to chat get pictures and plain text.
        token = getattr(self.processor, "image_token", None)
        if token is None:
            raise ValueError(
                f"{type(self.processor).__name__} has neither a chat template nor an image token: "
                "set processor.chat_template, or add a chat_template.jinja to the model's directory"
            )
        parts = [part for message in chat for part in message["content"]]
        texts = (part["text"] for part in parts if part["type"] == "text")
        return f"{token * len(builder.pictures(observation))}" + "\n".join(texts)

    def encode(
        self, observations: Sequence[Observation], builder: PromptBuilder
    ) -> dict[str, Tensor]:
        """Returns the model's inputs for a batch of observations, padded on the left.

        Raises:
            ValueError: If the observations have different numbers of pictures, and the model
                cannot tell a picture from padding; or if a prompt with its pictures is longer than
                the model can read.
        """
        return self._join(self._keys(observations, builder))

    def encode_distinct(
        self, observations: Sequence[Observation], builder: PromptBuilder
    ) -> tuple[dict[str, Tensor], list[int]]:
        """Returns the model's inputs for a batch as `encode` does, with equal prompts once.

        Two observations are equal here if their prompts and their pictures are. A few equal ones
        stay if there would be too few rows for a model to round as in a larger batch, and all do if
        the model's cache cannot be copied from row to row.

        Returns:
            The inputs, and the index of each observation's row in them.
        """
        keys = self._keys(observations, builder)
        if not self._shares_prompts:
            return self._join(keys), list(range(len(keys)))
        places: dict[Key, int] = {}
        for key in keys:
            places.setdefault(key, len(places))
        missing = max(0, min(_MIN_ROWS, len(keys)) - len(places))
        rows = [*places, *keys[:missing]]
        return self._join(rows), [places[key] for key in keys]

    def rows(self, observations: Sequence[Observation], builder: PromptBuilder) -> list[Row]:
        """Returns the inputs of each observation by itself, without padding."""
        return self._rows(self._keys(observations, builder))

    def prompts(
        self, observations: Sequence[Observation], builder: PromptBuilder
    ) -> list[PreparedPrompt]:
        """Returns what was prepared of each observation except for its pixels."""
        return list(self.preparer.prompts(self._keys(observations, builder)))

    def join(self, prompts: Sequence[PreparedPrompt]) -> dict[str, Tensor]:
        """Returns the model's inputs for a batch, as `encode` does, without the pixels."""
        return join_rows([prompt.unpack() for prompt in prompts], self.pad_token)

    def pictures(self, prompts: Sequence[PreparedPrompt]) -> list[list[PreparedPicture]]:
        """Returns the prepared pictures of each prompt, in the order of its digests."""
        return [found for _, found in self.preparer.prepare([each.key for each in prompts])]

    def prefetch(
        self,
        observations: Sequence[Observation],
        builder: PromptBuilder,
        known: Callable[[bytes], bool],
    ) -> None:
        """Begins to prepare observations in worker threads, for `encode` to find them.

        Args:
            observations: The observations.
            builder: Builds their prompts.
            known: Whether a picture, given by the digest of what was prepared of it, is not needed.
        """
        self.preparer.prefetch(self._keys(observations, builder), known)

    def _keys(self, observations: Sequence[Observation], builder: PromptBuilder) -> list[Key]:
        batch_size(observations)  # checks them
        rendered: dict[str, str] = {}  # most prompts of a batch differ in their pictures alone
        keys = []
        for each in observations:
            chat = repr(builder.messages(each))
            if chat not in rendered:
                rendered[chat] = self.prompt(each, builder)
            keys.append(key_of(rendered[chat], builder.pictures(each)))
        return keys

    def _rows(self, keys: Sequence[Key]) -> list[Row]:
        return [unpack_row(*each) for each in self.preparer.prepare(keys)]

    def _join(self, keys: Sequence[Key]) -> dict[str, Tensor]:
        if not keys:
            raise ValueError("a batch of no observations: expected at least one")
        counts = {len(pictures) for _, pictures in keys}
        if self._special_case.same_number_of_pictures and len(counts) > 1:
            raise ValueError(
                f"a batch of prompts with {sorted(counts)} pictures: the model of a "
                f"{type(self.processor).__name__} needs the same number in each, because it cannot "
                "tell a picture from padding; set history='actions' or history_length=0, so that "
                "each has one"
            )
        return join_rows(self._rows(keys), self.pad_token)

    def append(
        self, inputs: Mapping[str, Any], reply_ids: Tensor, reply_mask: Tensor
    ) -> dict[str, Any]:
        """Returns the inputs of prompts followed by replies.

        Inputs with one number per token are extended by the reply's mask, its token types, or 0.
        Those with more than one, such as the pictures that a token may attend to, repeat what the
        prompt's last token has.

        Args:
            inputs: Inputs of the prompts, from `encode`; what is not a tensor stays as it is.
            reply_ids: Shape (batch, longest reply).
            reply_mask: True for tokens, False for padding; bool, same shape.
        """
        tails = {
            "input_ids": reply_ids,
            "attention_mask": reply_mask,
            "token_type_ids": torch.full_like(reply_ids, self._special_case.reply_token_type),
        }
        extended = dict(inputs)
        for name, value in inputs.items():
            if isinstance(value, Tensor) and value.shape[:2] == inputs["input_ids"].shape:
                tail = value[:, -1:].expand(-1, reply_ids.shape[1], *value.shape[2:])
                if value.ndim == 2:
                    tail = tails.get(name, torch.zeros_like(tail))
                extended[name] = torch.cat([value, tail.to(value.dtype)], dim=1)
        return extended

    def picture(self, observation: Observation, builder: PromptBuilder) -> NDArray[np.uint8]:
        """Returns the picture as the model gets it: resized and in tiles, but not normalised.

        Returns:
            uint8 of shape (height, width, 3); tiles are side by side.

        Raises:
            ValueError: If the processor returns patches that cannot be shown as a picture.
        """
        pixels = self.encode([observation], builder)["pixel_values"].float()
        images = self.processor.image_processor
        if pixels.ndim < 4 or pixels.shape[-3] != 3:
            raise ValueError(
                f"{type(images).__name__} returns patches of shape {tuple(pixels.shape)}, which "
                "cannot be shown as a picture; leave out --model to see the environment's picture"
            )
        tiles = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 2, 3, 1).numpy()
        if images.do_normalize:
            tiles = tiles * np.asarray(images.image_std) + np.asarray(images.image_mean)
        scale = images.rescale_factor if images.do_rescale else 1.0
        return np.clip(np.rint(np.hstack(list(tiles)) / scale), 0, 255).astype(np.uint8)

    # ----- replies ----------------------------------------------------------------------------

    def encode_reply(self, text: str) -> list[int]:
        """Returns the tokens of a reply as the model would write it, including the closing one.

        The name of a special token in the text, such as `<image>`, is encoded in ordinary tokens.

        Raises:
            ValueError: If the text cannot be encoded without a token that the model never writes.
        """
        with self.preparer.lock:
            tokens = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        ids = cast(list[int], tokens["input_ids"])
        if found := set(ids) & {*self.unwritable_tokens, *self.end_tokens}:
            names = ", ".join(map(repr, self.tokenizer.convert_ids_to_tokens(sorted(found))))
            raise ValueError(
                f"the model cannot write the reply {text!r}: its tokenizer encodes a part of it as "
                f"{names}, which is never written inside a reply; use other words in the reply"
            )
        return [*ids, self.end_tokens[0]]

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the text of a reply, without the tokens that close it."""
        text = [token for token in tokens if token not in self.end_tokens]
        return cast(str, self.tokenizer.decode(text, clean_up_tokenization_spaces=False))

    def until_end(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Returns the tokens up to and including the first closing one."""
        for index, token in enumerate(tokens):
            if token in self.end_tokens:
                return tuple(tokens[: index + 1])
        return tuple(tokens)

    def action_token(self, tokens: Sequence[int], action_start: int | None) -> int:
        """Returns the index of the first token of a reply's action part.

        Args:
            tokens: The reply's token ids.
            action_start: Offset of the action part in the decoded reply, or `None` without one.

        Returns:
            Index of the first token whose text goes beyond the offset, so that a token across the
            boundary belongs to the action part; `len(tokens)` without an action part.
        """
        if action_start is None:
            return len(tokens)
        text = self.decode(tokens)
        low, high = 0, len(tokens)  # the text of tokens[:low] does not reach past the offset
        while high - low > 1:
            middle = (low + high) // 2
            if self._decided(text, tokens[:middle]) <= action_start:
                low = middle
            else:
                high = middle
        return low

    def token_texts(self, tokens: Sequence[int]) -> list[str]:
        """Returns the text that each token adds to the decoded reply; joined, they are the reply.

        A character that several tokens share is added by the last one. Closing tokens add nothing.
        """
        text = self.decode(tokens)
        ends = [0]
        for count in range(1, len(tokens)):
            ends.append(max(ends[-1], self._decided(text, tokens[:count])))
        return [text[start:end] for start, end in zip(ends, [*ends[1:], len(text)], strict=True)]

    def _decided(self, text: str, tokens: Sequence[int]) -> int:
        """Returns the number of characters of a reply's text that its first tokens decide.

        A character of several bytes may take several tokens, the first of which are decoded to
        replacement characters; those do not count.
        """
        decoded = self.decode(tokens)
        if text.startswith(decoded):
            return len(decoded)
        same = (a == b for a, b in zip(text, decoded, strict=False))
        return next((at for at, agrees in enumerate(same) if not agrees), len(decoded))


def _end_tokens(model: Any, tokenizer: Any, end_of_turn: int | None) -> list[int]:
    ids = model.generation_config.eos_token_id
    ids = [end_of_turn, tokenizer.eos_token_id, *(ids if isinstance(ids, list) else [ids])]
    ids = list(dict.fromkeys(i for i in ids if i is not None))
    if not ids:
        raise ValueError(
            f"neither the {type(tokenizer).__name__} nor the generation config of a "
            f"{type(model).__name__} has a token that closes a reply: set tokenizer.eos_token"
        )
    return ids


def _unwritable_tokens(model: Any, tokenizer: Any, end_tokens: Sequence[int]) -> list[int]:
    """Returns special tokens except for closing ones, and ids beyond the tokenizer's own."""
    size = model.get_output_embeddings().weight.shape[0]
    special = set(tokenizer.all_special_ids)
    special.update(i for i, token in tokenizer.added_tokens_decoder.items() if token.special)
    special.update(range(len(tokenizer), size))
    special.update(_tokens_in_config(model.config))
    return sorted(i for i in special - set(end_tokens) if i < size)


def _tokens_in_config(config: Any) -> Iterator[int]:
    """Yields the token ids in a model's config, such as `image_token_id`."""
    for name, value in config.to_dict().items():
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int) and value >= 0:
            yield value
