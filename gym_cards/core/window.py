"""Window in which a person watches a game, and the import of pygame."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from types import ModuleType

import numpy as np
from gymnasium import logger
from gymnasium.error import DependencyNotInstalled, Error
from numpy.typing import NDArray

from gym_cards.core import viewer


def load_pygame(purpose: str) -> ModuleType:
    """Imports pygame without its greeting.

    Args:
        purpose: The beginning of the error message: what pygame is needed for.

    Raises:
        DependencyNotInstalled: If pygame is missing.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise DependencyNotInstalled(
            f'{purpose} with pygame, which is not installed: run `pip install "gym-cards[human]"`'
        ) from error
    return pygame


class Window:
    """Window that shows pictures of shape (height, width, 3), dtype uint8.

    Every object has its own window, in a process of its own, because SDL shows one per process. It
    opens with the picture enlarged by a whole factor, can be resized, and reacts while the game
    waits. If the player closes it, it is closed for good; the game continues unseen.

    Args:
        title: The text in the title bar.
        fps: The most pictures shown per second.

    Raises:
        DependencyNotInstalled: If pygame is missing.
    """

    def __init__(self, title: str, fps: int) -> None:
        load_pygame("render_mode='human' shows the game")
        self._title = title
        self._pause = 1 / fps
        self._due = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._open = True

    @property
    def is_shown(self) -> bool:
        """Whether there is a window now."""
        return self._process is not None and self._process.poll() is None

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Draws the picture, then waits until the next one is due.

        Raises:
            gymnasium.error.Error: If no window can be opened.
        """
        if not self._open:
            return
        height, width = frame.shape[:2]
        message = viewer.HEADER.pack(width, height) + np.ascontiguousarray(frame).tobytes()
        if self._process is None:
            self._start(message)
        elif not self._send(self._process, message):
            self.close()
            return
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._pause

    def close(self) -> None:
        """Closes the window; a second call does nothing."""
        self._open = False
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        # The end of its input ends the program; so does a header without a picture, because forked
        # processes may hold the pipe open.
        with suppress(OSError):
            process.stdin.write(viewer.HEADER.pack(0, 0))
            process.stdin.flush()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self, message: bytes) -> None:
        # Without the folder of the program, whose modules would hide others of the same names.
        command = [sys.executable, "-P", viewer.__file__, self._title]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)
        sent = self._send(self._process, message)
        answer = self._process.stdout.readline() if sent and self._process.stdout else b""
        if answer == viewer.UNSEEN:
            logger.warn(
                "render_mode='human' shows nothing, because there is no display: run it where "
                "there is one, or use render_mode='rgb_array'"
            )
        elif answer != viewer.READY:
            self.close()
            reason = answer.decode(errors="replace").strip() or "its program ended"
            raise Error(
                f"render_mode='human' cannot open a window: {reason}; run it where there is a "
                "display, or use render_mode='rgb_array'"
            )

    def _send(self, process: subprocess.Popen[bytes], message: bytes) -> bool:
        """Sends a picture; returns whether the window is still open."""
        if process.stdin is None or process.poll() is not None:
            return False
        try:
            process.stdin.write(message)
            process.stdin.flush()
        except OSError:
            return False
        except BaseException:
            # Interrupted, as by Ctrl+C: half a picture may have been sent, and no other can follow.
            process.kill()
            raise
        return True
