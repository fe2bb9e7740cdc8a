"""Tiny models of many architectures with random weights, and their own processors.

Each stands for a family of published models, with its classes and kinds of tokens; sizes are small.
"""

from tests.support.architectures.gemma import gemma3, gemma4, paligemma
from tests.support.architectures.idefics import idefics2, idefics3
from tests.support.architectures.llava import llava, llava_next, llava_onevision
from tests.support.architectures.others import aya_vision, internvl, mllama
from tests.support.architectures.parts import siglip
from tests.support.architectures.qwen import qwen2_5_vl, qwen2_vl, qwen3_5, qwen3_vl

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
