"""Tiny models of Gemma 3, Gemma 4 and PaliGemma."""

import torch
import transformers as hf
from torch import nn

from tests.support.architectures.parts import (
    SQUARE,
    VISION,
    build,
    chat,
    sentence_piece,
    siglip,
    text_config,
    token,
)
from vlm_agent.models.inputs.processors import image_only

GEMMA = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}


def gemma3():
    tokenizer = sentence_piece(
        hf.GemmaTokenizer, "<eos>", "<start_of_turn>", "<end_of_turn>", **GEMMA
    )
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessorPil(size=SQUARE),
        tokenizer,
        image_seq_length=4,
        chat_template=chat(
            "<start_of_image>",
            before="{{ bos_token }}<start_of_turn>user\n",
            after="<end_of_turn>\n<start_of_turn>model\n",
        ),
    )
    config = hf.Gemma3Config(
        vision_config=siglip(),
        text_config=text_config(
            hf.Gemma3TextConfig,
            tokenizer,
            head_dim=16,
            sliding_window=16,
            layer_types=["sliding_attention", "full_attention"],
        ),
        mm_tokens_per_image=4,
        boi_token_index=token(tokenizer, "<start_of_image>"),
        eoi_token_index=token(tokenizer, "<end_of_image>"),
        image_token_index=token(tokenizer, "<image_soft_token>"),
    )
    model, processor = build(hf.Gemma3ForConditionalGeneration, config, processor)
    # Zero in fresh models, so that the first step would give the vision tower no gradient.
    projection = model.model.multi_modal_projector.mm_input_projection_weight
    nn.init.normal_(projection, std=0.2, generator=torch.Generator().manual_seed(0))
    return model, processor


def gemma4():
    tokenizer = sentence_piece(
        hf.GemmaTokenizer,
        "<eos>",
        "<|turn>",
        "<turn|>",
        image_token="<|image|>",
        boi_token="<|image>",
        eoi_token="<image|>",
        audio_token="<|audio|>",
        boa_token="<|audio>",
        eoa_token="<audio|>",
    )
    processor = image_only(hf.Gemma4Processor)(
        hf.Gemma4AudioFeatureExtractor(),
        hf.Gemma4ImageProcessorPil(patch_size=2, max_soft_tokens=70, pooling_kernel_size=2),
        tokenizer,
        None,
        chat_template=chat(
            "<|image|>", before="{{ bos_token }}<|turn>user\\n", after="<turn|>\\n<|turn>model\\n"
        ),
    )
    text = text_config(
        hf.Gemma4TextConfig,
        tokenizer,
        head_dim=16,
        global_head_dim=16,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention"],
        hidden_size_per_layer_input=0,
        use_bidirectional_attention="vision",
    )
    config = hf.Gemma4Config(
        vision_config={
            **VISION,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 2,
            "pooling_kernel_size": 2,
            "position_embedding_size": 256,
        },
        text_config=text,
        audio_config=None,
        boi_token_id=token(tokenizer, "<|image>"),
        eoi_token_id=token(tokenizer, "<image|>"),
        image_token_id=token(tokenizer, "<|image|>"),
        video_token_id=token(tokenizer, "<|video|>"),
        audio_token_id=token(tokenizer, "<|audio|>"),
        boa_token_id=token(tokenizer, "<|audio>"),
        eoa_token_index=token(tokenizer, "<audio|>"),
    )
    return build(hf.Gemma4ForConditionalGeneration, config, processor)


def paligemma():
    tokenizer = sentence_piece(hf.GemmaTokenizer, "<eos>", image_token="<image>")
    images = hf.SiglipImageProcessorPil(size=SQUARE)
    images.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(images, tokenizer)
    config = hf.PaliGemmaConfig(
        vision_config={**siglip(projection_dim=32).to_dict()},
        text_config=text_config(hf.GemmaConfig, tokenizer, head_dim=16, vocab_size=1600).to_dict(),
        image_token_index=token(tokenizer, "<image>"),
        projection_dim=32,
    )
    return build(hf.PaliGemmaForConditionalGeneration, config, processor)
