"""Tiny models of Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5."""

import transformers as hf

from tests.support.architectures.parts import (
    SIZES,
    build,
    byte_level,
    chatml,
    token,
    with_images_only,
)

QWEN = ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def head_size():
    return SIZES["hidden_size"] // SIZES["num_attention_heads"]


def rope(**extra):
    eighth = head_size() // 8
    sections = [eighth, 3 * eighth // 2, 3 * eighth // 2]
    base = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections}
    return {**base, **extra}


def qwen(
    kind, config_kind, processor_kind, patch_size, vision, text=None, tokens=hf.Qwen2Tokenizer
):
    tokenizer = byte_level(tokens, "<|im_end|>", *QWEN)
    processor = with_images_only(
        processor_kind,
        hf.Qwen2VLImageProcessorPil(
            patch_size=patch_size,
            size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64},
        ),
        tokenizer,
        chat_template=chatml("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    config = config_kind(
        vision_config={"depth": 2, "num_heads": 2, "patch_size": patch_size, **vision},
        text_config={
            **SIZES,
            "vocab_size": len(tokenizer) + 5,
            "rope_parameters": rope(),
            "eos_token_id": tokenizer.eos_token_id,
            **(text or {}),
        },
        image_token_id=token(tokenizer, "<|image_pad|>"),
        video_token_id=token(tokenizer, "<|video_pad|>"),
        vision_start_token_id=token(tokenizer, "<|vision_start|>"),
        vision_end_token_id=token(tokenizer, "<|vision_end|>"),
    )
    return build(kind, config, processor)


def qwen2_vl():
    return qwen(
        hf.Qwen2VLForConditionalGeneration,
        hf.Qwen2VLConfig,
        hf.Qwen2VLProcessor,
        8,
        {"embed_dim": 32, "hidden_size": SIZES["hidden_size"]},
    )


def qwen2_5_vl():
    return qwen(
        hf.Qwen2_5_VLForConditionalGeneration,
        hf.Qwen2_5_VLConfig,
        hf.Qwen2_5_VLProcessor,
        8,
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": SIZES["hidden_size"],
            "window_size": 32,
            "fullatt_block_indexes": [1],
        },
    )


def qwen3_vl():
    return qwen(
        hf.Qwen3VLForConditionalGeneration,
        hf.Qwen3VLConfig,
        hf.Qwen3VLProcessor,
        8,
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": SIZES["hidden_size"],
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        {"head_dim": head_size(), "rope_parameters": rope(mrope_interleaved=True)},
    )


def qwen3_5():
    """Its language model is a hybrid: layers of linear attention, which keep a state."""
    return qwen(
        hf.Qwen3_5ForConditionalGeneration,
        hf.Qwen3_5Config,
        hf.Qwen3VLProcessor,
        8,
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": SIZES["hidden_size"],
            "num_position_embeddings": 16,
        },
        {
            "head_dim": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "rope_parameters": rope(partial_rotary_factor=1.0),
        },
        tokens=hf.Qwen3_5Tokenizer,
    )
