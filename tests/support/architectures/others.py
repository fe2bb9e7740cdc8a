"""Tiny models of InternVL, Mllama and Aya Vision."""

import torch
import transformers as hf

from tests.support.architectures.parts import (
    SQUARE,
    VISION,
    build,
    byte_level,
    chat,
    chatml,
    siglip,
    text_config,
    token,
    with_images_only,
)


def internvl():
    tokenizer = byte_level(
        hf.Qwen2Tokenizer,
        "<|im_end|>",
        "<|im_start|>",
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    processor = with_images_only(
        hf.InternVLProcessor,
        hf.GotOcr2ImageProcessorPil(size=SQUARE, crop_to_patches=True, max_patches=2),
        tokenizer,
        image_seq_length=4,
        chat_template=chatml("<IMG_CONTEXT>\n"),
    )
    config = hf.InternVLConfig(
        vision_config={**VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config=text_config(hf.Qwen2Config, tokenizer),
        image_token_id=token(tokenizer, "<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return build(hf.InternVLForConditionalGeneration, config, processor)


def mllama():
    tokenizer = byte_level(
        hf.GPT2Tokenizer,
        "<|eot_id|>",
        "<|image|>",
        "<|python_tag|>",
        "<|begin_of_text|>",
        "<|pad|>",
    )
    tokenizer.bos_token, tokenizer.pad_token = "<|begin_of_text|>", "<|pad|>"
    processor = hf.MllamaProcessor(
        hf.MllamaImageProcessorPil(size=SQUARE, max_image_tiles=2),
        tokenizer,
        chat_template=chat(
            "<|image|>", before="{{ bos_token }}user\n", after="<|eot_id|>assistant\n"
        ),
    )
    text = text_config(
        hf.MllamaTextConfig,
        tokenizer,
        num_hidden_layers=3,
        cross_attention_layers=[1],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        "max_num_tiles": 2,
        "intermediate_layers_indices": [0, 1],
        "vision_output_dim": 96,
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    config = hf.MllamaConfig(
        vision_config=vision, text_config=text, image_token_index=token(tokenizer, "<|image|>")
    )
    model, processor = build(hf.MllamaForConditionalGeneration, config, processor)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gate"):  # zero in fresh models, which would block the gradient
                parameter.fill_(0.7)
    return model, processor


def aya_vision():
    tokenizer = byte_level(
        hf.CohereTokenizer,
        "<|END_OF_TURN_TOKEN|>",
        "<image>",
        "<|START_OF_IMG|>",
        "<|END_OF_IMG|>",
        "<|IMG_PATCH|>",
        "<|IMG_LINE_BREAK|>",
        "TILE",
        "TILE_GLOBAL",
    )
    processor = hf.AyaVisionProcessor(
        hf.GotOcr2ImageProcessorPil(size=SQUARE, crop_to_patches=True, max_patches=2),
        tokenizer,
        patch_size=8,
        img_size=32,
        downsample_factor=2,
        chat_template=chat("<image>", before="{{ bos_token }}<|USER|>", after="<|CHATBOT|>"),
    )
    config = hf.AyaVisionConfig(
        vision_config=siglip(),
        text_config=text_config(hf.Cohere2Config, tokenizer, layer_types=["full_attention"] * 2),
        image_token_index=token(tokenizer, "<|IMG_PATCH|>"),
    )
    return build(hf.AyaVisionForConditionalGeneration, config, processor)
