"""Pictures of a page: each is stored once, and similar ones as differences."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any, TypedDict

from PIL import Image, ImageChops, features

# Lossless, and half as large as PNG; all current browsers support it.
_FORMAT: dict[str, Any] = (
    {"format": "WEBP", "lossless": True, "method": 2}
    if features.check("webp")
    else {"format": "PNG", "optimize": True}
)
# Larger pictures are not decoded: a file of a few bytes may claim any size.
_MAX_PIXELS = 2**24
# Limit of WebP.
_MAX_SIDE = 2**14 - 1
# Pixels around a difference, so that no seam shows when a browser scales it.
_MARGIN = 2


class Patch(TypedDict):
    """Picture that differs from another one in a rectangle.

    Attributes:
        on: Index of the other picture, which is complete.
        size: Width and height of both in pixels.
        box: The rectangle: left, top, width and height.
        url: Content of the rectangle as a data URL.
    """

    on: int
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    url: str


class Album:
    """Collection of pictures.

    Attributes:
        pictures: Data URLs of complete pictures, and patches; steps refer to them by index.
    """

    def __init__(self) -> None:
        self.pictures: list[str | Patch] = []
        self._places: dict[bytes, int] = {}
        self._base: tuple[int, Image.Image] | None = None

    def start_episode(self) -> None:
        """Stores the next picture completely, because it starts an episode and looks different."""
        self._base = None

    def add(self, path: Path) -> int | None:
        """Adds a picture and returns its index, or `None` if its file is missing."""
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


def data_url(image: Image.Image) -> str:
    """Returns a picture as a data URL, without loss."""
    return _url(_encoded(image), _FORMAT["format"])


def _patch(on: int, image: Image.Image, box: tuple[int, int, int, int]) -> Patch | None:
    """Returns a picture as a difference inside a box; `None` if more than half differs."""
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
    """Decodes a picture; `None` if its file has to be embedded unchanged."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != "RGB" or max(image.size) > _MAX_SIDE:
                return None
            if not 0 < image.width * image.height <= _MAX_PIXELS:
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
