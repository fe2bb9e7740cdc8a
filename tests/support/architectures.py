"""Tiny models of many architectures with random weights, and their own processors.

Each stands for a family of published models, with its classes and kinds of tokens; sizes are small.
"""

import json

import torch
import transformers as hf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

from vlm_agent.models.inputs.processors import image_only

TEXTS = (
    'You are shown a number. You can choose between "+", "-".\nAnswer with JSON in this form: '
    '{"current number": "...", "thoughts": "...", "action": "..."}',
    '{"current number": "2", "target number": "4", "thoughts": "so I add 1", "action": "+"}',
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2048,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
SQUARE = {"height": 32, "width": 32}


# ----- tokenizers ---------------------------------------------------------------------------------


def byte_level(kind, eos, *special, **named):
    """A tokenizer in the manner of GPT-2: Qwen's, Cohere's, Llama 3's."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    base.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    base.train_from_iterator(TEXTS, trainer)
    return _with_special(kind, base, eos, special, named)


def sentence_piece(kind, eos, *special, **named):
    """A tokenizer in the manner of SentencePiece, with bytes for what it does not know."""
    base = Tokenizer(models.BPE(byte_fallback=True))
    base.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))],
    )
    base.train_from_iterator(TEXTS, trainer)
    return _with_special(kind, base, eos, special, named)


def _with_special(kind, base, eos, special, named):
    merges = json.loads(base.to_str())["model"]["merges"]
    tokenizer = kind(
        vocab=base.get_vocab(),
        merges=[tuple(merge) for merge in merges],
        eos_token=eos,
        extra_special_tokens=named,
    )
    tokenizer.add_tokens([AddedToken(token, special=True) for token in special])
    return tokenizer


def chat(image, before="", after="\nASSISTANT:"):
    """A chat template: what stands for a picture, and what stands around a message."""
    return (
        f"{before}{{% for message in messages %}}{{% for part in message['content'] %}}"
        f"{{% if part['type'] == 'image' %}}{image}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        f"{{% endfor %}}{{% endfor %}}{{% if add_generation_prompt %}}{after}{{% endif %}}"
    )


# ----- models -------------------------------------------------------------------------------------


def text_config(kind, tokenizer, **extra):
    """The language model's config: its vocabulary is a little larger than the tokenizer's."""
    return kind(
        **{
            **SIZES,
            "vocab_size": len(tokenizer) + 5,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            **extra,
        }
    )


def token(tokenizer, text):
    return tokenizer.convert_tokens_to_ids(text)


def build(kind, config, processor):
    """A model with random weights, drawn wide, so that a mistake shows in its logits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv3d)):
                nn.init.normal_(module.weight, std=0.2)
        nn.init.normal_(model.get_output_embeddings().weight, std=0.5)
        for module in model.modules():  # last, since they may be the output embeddings too
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.3)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    return model, processor


def clip(**extra):
    return hf.CLIPVisionConfig(**{**VISION, **extra})


def siglip(**extra):
    return hf.SiglipVisionConfig(**{**VISION, "vision_use_head": False, **extra})


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


def with_images_only(kind, images, tokenizer, **kwargs):
    """What is left of a processor whose part for videos needs torchvision."""
    return image_only(kind)(images, tokenizer, None, **kwargs)


def chatml(image):
    return chat(image, before="<|im_start|>user\n", after="<|im_end|>\n<|im_start|>assistant\n")


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


QWEN = ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


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
            "rope_parameters": ROPE,
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
        {"embed_dim": 32, "hidden_size": 32},
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
            "out_hidden_size": 32,
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
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        {"head_dim": 16},
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
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
        },
        {
            "head_dim": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "rope_parameters": {**ROPE, "partial_rotary_factor": 1.0},
        },
        tokens=hf.Qwen3_5Tokenizer,
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
            if name.endswith("gate"):  # zero in fresh models, as above
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


ARCHITECTURES = {
    "LLaVA-1.5": llava,
    "LLaVA with SigLIP": lambda: llava(siglip, cls_token=0),
    "LLaVA-NeXT (Mistral)": llava_next,
    "LLaVA-OneVision": llava_onevision,
    "Qwen2-VL": qwen2_vl,
    "Qwen2.5-VL": qwen2_5_vl,
    "Qwen3-VL": qwen3_vl,
    "Qwen3.5": qwen3_5,
    "InternVL": internvl,
    "Idefics2": idefics2,
    "Idefics3": idefics3,
    "SmolVLM": lambda: idefics3(smol=True),
    "Gemma 3": gemma3,
    "Gemma 4": gemma4,
    "PaliGemma": paligemma,
    "Mllama": mllama,
    "Aya Vision": aya_vision,
}
