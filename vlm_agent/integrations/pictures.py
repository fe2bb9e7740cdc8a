"""Pictures as PNG in base64, as servers and chat messages hold them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.types import Observation


def png_base64(image: NDArray[np.uint8]) -> str:
    """Returns a picture, uint8 of shape (height, width, 3), as PNG in base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def read_picture(data: str) -> NDArray[np.uint8]:
    """Returns a picture from base64, uint8 of shape (height, width, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.array(picture.convert("RGB"))


def chat_messages(builder: PromptBuilder, observation: Observation) -> list[dict[str, Any]]:
    """Returns an observation as messages of the OpenAI API, with its pictures as data URLs."""
    pictures = iter(builder.pictures(observation))

    def part(each: dict[str, Any]) -> dict[str, Any]:
        if each["type"] != "image":
            return each
        url = f"data:image/png;base64,{png_base64(next(pictures))}"
        return {"type": "image_url", "image_url": {"url": url}}

    return [
        {"role": message["role"], "content": [part(each) for each in message["content"]]}
        for message in builder.messages(observation)
    ]
