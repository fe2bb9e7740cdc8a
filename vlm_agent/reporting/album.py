"""The pictures of a page: each one once, and of those alike only what is different."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any, TypedDict

from PIL import Image, ImageChops, features

# Exact, and half as large as PNG; every browser of the last years shows it.
_FORMAT: dict[str, Any] = (
    {"format": "WEBP", "lossless": True, "method": 2}
    if features.check("webp")
    else {"format": "PNG", "optimize": True}
)
# Larger ones are not looked into: a file of a few bytes may say that it holds any number.
_PIXELS = 2**24
# WebP holds no longer sides.
_SIDE = 2**14 - 1
# Around what is different, so that no seam shows where a browser scales it.
_MARGIN = 2


class Patch(TypedDict):
    """A picture that differs from another one in a part.

    Attributes:
        on: The place of the other one, which is whole.
        size: Width and height of both, in pixels.
        box: Where the part lies: left, top, width and height.
        url: The part, as a data URL.
    """

    on: int
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    url: str


class Album:
    """Pictures in the order in which they came.

    Attributes:
        pictures: Data URLs of whole ones, and patches; steps name them by their places.
    """

    def __init__(self) -> None:
        self.pictures: list[str | Patch] = []
        self._places: dict[bytes, int] = {}
        self._base: tuple[int, Image.Image] | None = None

    def turn_over(self) -> None:
        """Lets the next picture be whole: it starts an episode, where others look different."""
        self._base = None

    def add(self, path: Path) -> int | None:
        """The place of a picture; `None` if its file is gone."""
        if not path.is_file():
            return None
        data = path.read_bytes()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        place = self._places.get(digest)
        if place is None:
            place = self._places[digest] = self._put(data)
        elif self._base is None and isinstance(self.pictures[place], str):
            self._set_base(place, _opened(data))
        return place

    def _put(self, data: bytes) -> int:
        image = _opened(data)
        if image is not None and self._base is not None and self._base[1].size == image.size:
            on, base = self._base
            box = ImageChops.difference(base, image).getbbox()
            if box is None:
                return on
            if (patch := _patch(on, image, box)) is not None:
                self.pictures.append(patch)
                return len(self.pictures) - 1
        whole = _url(data, "PNG")
        if image is not None:
            whole = min(whole, _url(_encoded(image), _FORMAT["format"]), key=len)
        self.pictures.append(whole)
        self._set_base(len(self.pictures) - 1, image)
        return len(self.pictures) - 1

    def _set_base(self, place: int, image: Image.Image | None) -> None:
        self._base = None if image is None else (place, image)


def _patch(on: int, image: Image.Image, box: tuple[int, int, int, int]) -> Patch | None:
    """A picture that differs inside a box; `None` where it is hardly like the other."""
    left, top = (max(0, edge - _MARGIN) for edge in box[:2])
    right, bottom = (
        min(end, edge + _MARGIN) for edge, end in zip(box[2:], image.size, strict=True)
    )
    width, height = right - left, bottom - top
    if 2 * width * height > image.width * image.height:
        return None
    url = _url(_encoded(image.crop((left, top, right, bottom))), _FORMAT["format"])
    return {"on": on, "size": image.size, "box": (left, top, width, height), "url": url}


def _opened(data: bytes) -> Image.Image | None:
    """A picture's pixels; `None` where it is to be shown as it is, whatever it holds."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != "RGB" or max(image.size) > _SIDE:
                return None
            if not 0 < image.width * image.height <= _PIXELS:
                return None
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, **_FORMAT)
    return file.getvalue()


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode('ascii')}"
