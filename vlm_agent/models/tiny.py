"""The embedded vision-language model, small enough to train from scratch on a laptop.

It is an ordinary `LlavaForConditionalGeneration`, a CLIP vision tower and a Llama, with random
weights, and a tokenizer and processor made for the texts of the tasks at hand. It is saved and
loaded like any other model, so whatever works on it works on larger ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

IMAGE_SIZE = 96
PATCH_SIZE = 16
PAD, END, IMAGE, REPLY = "<pad>", "<end>", "<image>", "<reply>"

_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + IMAGE + "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}" + END + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + REPLY + "{% endif %}"
)
# Tokens never cross these, so that every digit, operator and bracket is a token of its own (except
# for 10, a card), and so that the action part of a reply starts with a new token.
_BOUNDARIES = r'"action":|"[^"{}]*":|10|[0-9]|[-+*/()=]|[{}\[\]]|"[AJQK]\b|\b[AJQK]\b'


def build_tokenizer(texts: Iterable[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE tokenizer whose tokens may be whole phrases of the given texts.

    Merging across words makes the constant part of a prompt a few tokens long. Any other text can
    still be written, byte by byte.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_BOUNDARIES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END, IMAGE, REPLY],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=None,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[
            AddedToken(IMAGE, special=True, normalized=False),
            AddedToken(REPLY, special=True, normalized=False),
        ],
        padding_side="left",
    )


def build_processor(texts: Iterable[str], vocab_size: int = 1024) -> LlavaProcessor:
    """Builds the processor of a tiny model for tasks with the given prompts and replies."""
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
            do_center_crop=False,
            # With this mean a white background is 0; otherwise the tower learns to read far more
            # slowly.
            image_mean=[1.0] * 3,
            image_std=[0.5] * 3,
        ),
        tokenizer=build_tokenizer(texts, vocab_size),
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_CHAT_TEMPLATE,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, hidden_size: int = 128, layers: int = 2, seed: int = 0
) -> LlavaForConditionalGeneration:
    """Builds a tiny LLaVA with about 0.7 million random weights, which depend on `seed` alone.

    The weights are drawn wider than is usual for large models: at this size, the usual deviation of
    0.02 gives an image signal that is too weak to learn from.
    """
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    image_token = tokenizer.encode(IMAGE, add_special_tokens=False)[0]
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=hidden_size,
            intermediate_size=2 * hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=PATCH_SIZE,
        ).to_dict(),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden_size,
            intermediate_size=2 * hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=4096,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
        ).to_dict(),
        image_token_index=image_token,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
        _draw_weights(model)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def _draw_weights(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.3 if "position" in name else 0.05)
        elif isinstance(module, nn.Linear) and "vision" not in name and "lm_head" not in name:
            nn.init.normal_(module.weight, std=0.08)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def build_tiny(texts: Iterable[str], *, seed: int = 0, **sizes: Any) -> tuple[Any, LlavaProcessor]:
    """Builds a tiny model and its processor for tasks with the given prompts and replies."""
    processor = build_processor(texts)
    return build_model(processor.tokenizer, seed=seed, **sizes), processor
