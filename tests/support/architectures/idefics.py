"""Tiny models of Idefics2, Idefics3 and SmolVLM."""

import transformers as hf

from tests.support.architectures.parts import (
    VISION,
    build,
    byte_level,
    chat,
    sentence_piece,
    text_config,
    token,
    with_images_only,
)

IDEFICS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", "<pad>")


def idefics2():
    tokenizer = sentence_piece(hf.LlamaTokenizer, "</s>", *IDEFICS)
    tokenizer.pad_token = "<pad>"
    processor = hf.Idefics2Processor(
        hf.Idefics2ImageProcessorPil(
            size={"shortest_edge": 24, "longest_edge": 32}, do_image_splitting=False
        ),
        tokenizer,
        image_seq_len=4,
        chat_template=chat("<image>", before="User:", after="<end_of_utterance>\nAssistant:"),
    )
    config = hf.Idefics2Config(
        vision_config=VISION,
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 1,
            "hidden_size": 32,
        },
        text_config=text_config(hf.MistralConfig, tokenizer, sliding_window=None),
        image_token_id=token(tokenizer, "<image>"),
    )
    return build(hf.Idefics2ForConditionalGeneration, config, processor)


def idefics3(smol=False):
    rows = [f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)]
    tokenizer = byte_level(hf.GPT2Tokenizer, "<end_of_utterance>", *IDEFICS, *rows)
    tokenizer.pad_token = "<pad>"
    kind = "SmolVLM" if smol else "Idefics3"
    images = getattr(hf, f"{kind}ImageProcessorPil")(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    make = with_images_only if smol else (lambda kind, *args, **kwargs: kind(*args, **kwargs))
    processor = make(
        getattr(hf, f"{kind}Processor"),
        images,
        tokenizer,
        image_seq_len=4,
        chat_template=chat("<image>", before="User:", after="<end_of_utterance>\nAssistant:"),
    )
    config = getattr(hf, f"{kind}Config")(
        vision_config=VISION,
        text_config=text_config(hf.LlamaConfig, tokenizer),
        image_token_id=token(tokenizer, "<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    return build(getattr(hf, f"{kind}ForConditionalGeneration"), config, processor)
