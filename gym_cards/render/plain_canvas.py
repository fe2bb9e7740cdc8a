"""The canvas in plain Python, for where `_canvas.c` was not compiled; both do the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


class Canvas:
    """A frame on which pictures are put.

    Attributes:
        frame: What was put on it so far.

    Args:
        frame: A contiguous array of shape (height, width, 3) and dtype uint8, changed in place.
        later: Whether what is put may wait until `frame` is asked for or the canvas is finished;
            the compiled canvas then lets it wait. Until then the pictures must not change.

    Raises:
        ValueError: If the frame is another kind of array.
    """

    def __init__(self, frame: Frame, later: bool = False) -> None:
        if not (_is_picture(frame) and frame.flags.c_contiguous and frame.flags.writeable):
            raise ValueError(
                "frame: expected a contiguous uint8 array of shape (height, width, 3) that may be "
                "changed"
            )
        self.frame = frame

    def put(self, picture: Frame, x: int, y: int) -> None:
        """Puts a picture where its upper left corner is at a place.

        Args:
            picture: Shape (height, width, 3), dtype uint8; a row of it lies contiguous.
            x: How far right of the frame's left edge.
            y: How far below its upper edge.

        Raises:
            ValueError: If it is no picture, or not all of it lies inside the frame.
        """
        if not _is_picture(picture):
            raise ValueError(
                "picture: expected a uint8 array of shape (height, width, 3) whose rows are "
                "contiguous"
            )
        height, width, _ = picture.shape
        rows, columns, _ = self.frame.shape
        if not (0 <= x <= columns - width and 0 <= y <= rows - height):
            raise ValueError(
                f"a picture of {width} x {height} pixels at ({x}, {y}): expected one inside the "
                f"frame of {columns} x {rows}"
            )
        self.frame[y : y + height, x : x + width] = picture


def finish(canvases: Sequence[Canvas]) -> None:
    """Draws what waits on some canvases."""


def finish_into(canvases: Sequence[Canvas], batch: Frame) -> None:
    """Draws what waits on some canvases, and copies their frames one behind the other.

    Args:
        canvases: As many as the batch has frames.
        batch: A contiguous array for the copies, shape (canvases, height, width, 3), dtype uint8.

    Raises:
        ValueError: If the frames do not fill the batch.
    """
    size = sum(canvas.frame.nbytes for canvas in canvases)
    if size != batch.nbytes:
        raise ValueError(f"batch of {batch.nbytes} bytes: expected {size}, as the frames have")
    for canvas, copy in zip(canvases, batch, strict=True):
        copy[...] = canvas.frame


def _is_picture(array: Frame) -> bool:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        return False
    return array.size == 0 or array[0].flags.c_contiguous
