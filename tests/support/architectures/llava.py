"""Tiny models of LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision."""

import transformers as hf

from tests.support.architectures.parts import (
    SQUARE,
    build,
    byte_level,
    chat,
    chatml,
    clip,
    sentence_piece,
    siglip,
    text_config,
    token,
    with_images_only,
)


def llava(vision=clip, cls_token=1):
    tokenizer = sentence_piece(hf.LlamaTokenizer, "</s>", "<image>", "<pad>")
    tokenizer.pad_token = "<pad>"
    strategy = "default" if cls_token else "full"
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessorPil(size=SQUARE, crop_size=SQUARE),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=cls_token,
        chat_template=chat("<image>\n", before="USER: "),
    )
    config = hf.LlavaConfig(
        vision_config=vision(),
        text_config=text_config(hf.LlamaConfig, tokenizer),
        image_token_index=token(tokenizer, "<image>"),
        vision_feature_select_strategy=strategy,
        vision_feature_layer=-1,
    )
    return build(hf.LlavaForConditionalGeneration, config, processor)


def llava_next():
    tokenizer = sentence_piece(hf.LlamaTokenizer, "</s>", "<image>", "<pad>")
    tokenizer.pad_token = "<pad>"
    pinpoints = [[32, 64], [64, 32], [64, 64]]
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessorPil(
            size={"shortest_edge": 32}, crop_size=SQUARE, image_grid_pinpoints=pinpoints
        ),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat("<image>\n", before="[INST] ", after=" [/INST]"),
    )
    config = hf.LlavaNextConfig(
        vision_config=clip(),
        text_config=text_config(hf.MistralConfig, tokenizer, sliding_window=None),
        image_token_index=token(tokenizer, "<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    return build(hf.LlavaNextForConditionalGeneration, config, processor)


def llava_onevision():
    tokenizer = byte_level(hf.Qwen2Tokenizer, "<|im_end|>", "<|im_start|>", "<image>", "<video>")
    pinpoints = [[32, 64], [64, 32], [64, 64]]
    processor = with_images_only(
        hf.LlavaOnevisionProcessor,
        hf.LlavaOnevisionImageProcessorPil(size=SQUARE, image_grid_pinpoints=pinpoints),
        tokenizer,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=chatml("<image>\n"),
    )
    config = hf.LlavaOnevisionConfig(
        vision_config=siglip(),
        text_config=text_config(hf.Qwen2Config, tokenizer),
        image_token_index=token(tokenizer, "<image>"),
        video_token_index=token(tokenizer, "<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    return build(hf.LlavaOnevisionForConditionalGeneration, config, processor)
