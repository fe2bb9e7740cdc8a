"""Canvas in plain Python, used where `_canvas.c` is not compiled; both draw the same pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


class Canvas:
    """Frame that pictures are copied onto.

    Attributes:
        frame: The array given, which shows everything put on it so far.

    Args:
        frame: C-contiguous array of shape (height, width, 3) and dtype uint8, changed in place.

    Raises:
        ValueError: If the frame has another shape, dtype or layout, or is read-only.
    """

    def __init__(self, frame: Frame) -> None:
        if not (_is_picture(frame) and frame.flags.c_contiguous and frame.flags.writeable):
            raise ValueError(
                "frame: expected a contiguous, writable uint8 array of shape (height, width, 3)"
            )
        self.frame = frame

    def put(self, picture: Frame, x: int, y: int) -> None:
        """Copies a picture onto the frame.

        Args:
            picture: Array of shape (height, width, 3) and dtype uint8 with contiguous rows. It may
                be a part of the frame.
            x: Distance of its left edge from the frame's, in pixels.
            y: Distance of its upper edge from the frame's, in pixels.

        Raises:
            ValueError: If the picture has another shape, dtype or layout, or does not lie inside
                the frame.
        """
        if not _is_picture(picture):
            raise ValueError(
                "picture: expected a uint8 array of shape (height, width, 3) with contiguous rows"
            )
        height, width, _ = picture.shape
        rows, columns, _ = self.frame.shape
        if not (0 <= x <= columns - width and 0 <= y <= rows - height):
            raise ValueError(
                f"a picture of {width} x {height} pixels at ({x}, {y}): expected one inside the "
                f"frame of {columns} x {rows}"
            )
        self.frame[y : y + height, x : x + width] = picture


def _is_picture(array: Frame) -> bool:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        return False
    return array.size == 0 or array[0].flags.c_contiguous
