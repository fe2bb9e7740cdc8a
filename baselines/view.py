"""What a network is given of an environment: a smaller picture, and a text beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

Text = Literal["none", "given", "state"]
Pictures = NDArray[np.uint8]
Observations = NDArray[np.uint8] | dict[str, NDArray[np.uint8]]

IMAGE = "image"


@dataclass(frozen=True)
class View:
    """What a network sees of a picture and of an info.

    The observation space says it all, so that a saved model can be played without other files.

    Attributes:
        size: Height and width of the pictures in pixels.
        text: "none" for pictures alone; "given" adds what a prompt tells besides the picture: the
            state fields that the environment gives away, such as the formula so far, and the
            episode's own goal; "state" adds all of the state, which leaves nothing to be read off.
        length: Bytes of the text; a shorter text is filled up with zeros.
    """

    size: tuple[int, int]
    text: Text = "none"
    length: int = 64

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> View:
        """The view whose observations a model takes.

        Args:
            space: The model's observation space.

        Raises:
            ValueError: If it is not a space that a view has.
        """
        parts: dict[str, Any] = (
            dict(space.spaces) if isinstance(space, spaces.Dict) else {IMAGE: space}
        )
        image = parts.pop(IMAGE, None)
        kinds: dict[str, Text] = {"given": "given", "state": "state"}
        known = len(parts) <= 1 and all(name in kinds for name in parts)
        if not known or image is None or len(image.shape or ()) != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"the model observes {space}: expected pictures as uint8, channels first, alone or "
                "in a dictionary as 'image' beside a text as 'given' or 'state'"
            )
        size = (int(image.shape[1]), int(image.shape[2]))
        for name, part in parts.items():
            return cls(size, kinds[name], int(part.shape[0]))
        return cls(size)

    def space(self) -> spaces.Space[Any]:
        """The space of the observations of one environment, channels first."""
        image = spaces.Box(0, 255, (3, *self.size), np.uint8)
        if self.text == "none":
            return image
        tokens = spaces.Box(0, 255, (self.length,), np.uint8)
        return spaces.Dict({IMAGE: image, self.text: tokens})

    def observe(
        self, pictures: Sequence[Pictures] | Pictures, texts: Iterable[str]
    ) -> Observations:
        """The observations of several environments; they share no memory with the pictures.

        Args:
            pictures: Each uint8 of shape (height, width, 3).
            texts: The text of each; not read with `text="none"`.

        Returns:
            uint8 of shape (environments, 3, *size); with a text, a dictionary of these as "image",
            and of uint8 of shape (environments, length) under the name of the text.

        Raises:
            ValueError: If a text is longer than `length` bytes.
        """
        image = shrink(pictures, self.size)
        if self.text == "none":
            return image
        return {IMAGE: image, self.text: encode(texts, self.length)}

    def describe(self, state: Mapping[str, str], given: Iterable[str], goal: str | None) -> str:
        """The text that goes with a picture.

        Args:
            state: What the picture shows, field by field.
            given: The fields of the state that a prompt tells.
            goal: The episode's own goal, if it has one.
        """
        names = state if self.text == "state" else given
        lines = [f"{name}: {state[name]}" for name in names]
        return "\n".join(lines if goal is None else [goal, *lines])

    def describe_info(self, info: Mapping[str, Any]) -> str:
        """The text that goes with an environment's info."""
        if self.text == "none":
            return ""
        return self.describe(info.get("state", {}), info.get("given", ()), info.get("task"))


def shrink(pictures: Sequence[Pictures] | Pictures, size: tuple[int, int]) -> Pictures:
    """Makes pictures smaller, each new pixel the mean of the area that it covers.

    Args:
        pictures: Each uint8 of shape (height, width, 3).
        size: New height and width.

    Returns:
        uint8 of shape (pictures, 3, *size), with memory of its own.
    """
    small = np.empty((len(pictures), *size, 3), np.uint8)
    for place, picture in zip(small, pictures, strict=True):
        place[:] = _shrink(picture, *size)
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2))


def _shrink(picture: Pictures, height: int, width: int) -> Any:
    old_height, old_width = picture.shape[:2]
    if (old_height, old_width) == (height, width):
        return picture
    image = Image.fromarray(picture)
    if old_height % height == 0 and old_width % width == 0:
        # The same means, faster; sums in numpy and pooling in torch were two to seven times slower.
        return image.reduce((old_width // width, old_height // height))
    return image.resize((width, height), Image.Resampling.BOX)


def encode(texts: Iterable[str], length: int) -> NDArray[np.uint8]:
    """Texts as their bytes in UTF-8, filled up with zeros, of shape (texts, length).

    Raises:
        ValueError: If a text has more bytes than that.
    """
    codes = [text.encode() for text in texts]
    longest = max(codes, key=len, default=b"")
    if len(longest) > length:
        raise ValueError(
            f"the text {longest.decode()!r} has {len(longest)} bytes: expected at most {length}; "
            "raise text_length"
        )
    padded = b"".join(code.ljust(length, b"\0") for code in codes)
    return np.frombuffer(padded, np.uint8).reshape(len(codes), length).copy()
