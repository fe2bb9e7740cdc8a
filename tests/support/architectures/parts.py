"""Parts of tiny models: tokenizers, chat templates, configs and random weights."""

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


def byte_level(kind, eos, *special, **named):
    """A byte-level tokenizer like GPT-2's: Qwen's, Cohere's, Llama 3's."""
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
    """A tokenizer like SentencePiece's, with bytes for unknown characters."""
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
    """A chat template with a token for pictures and text around a message."""
    return (
        f"{before}{{% for message in messages %}}{{% for part in message['content'] %}}"
        f"{{% if part['type'] == 'image' %}}{image}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
        f"{{% endfor %}}{{% endfor %}}{{% if add_generation_prompt %}}{after}{{% endif %}}"
    )


def chatml(image):
    return chat(image, before="<|im_start|>user\n", after="<|im_end|>\n<|im_start|>assistant\n")


def text_config(kind, tokenizer, **extra):
    """The language model's config, with a vocabulary a little larger than the tokenizer's."""
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
    """A model with random weights, drawn wide, so that mistakes show in its logits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv3d)):
                nn.init.normal_(module.weight, std=0.2)
        nn.init.normal_(model.get_output_embeddings().weight, std=0.5)
        for module in model.modules():  # last, because they may also be the output embeddings
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.3)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    return model, processor


def clip(**extra):
    return hf.CLIPVisionConfig(**{**VISION, **extra})


def siglip(**extra):
    return hf.SiglipVisionConfig(**{**VISION, "vision_use_head": False, **extra})


def with_images_only(kind, images, tokenizer, **kwargs):
    """A processor without its video processor, which needs torchvision."""
    return image_only(kind)(images, tokenizer, None, **kwargs)
