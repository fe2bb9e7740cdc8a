"""Program of a watched game's window: shows the last picture that it read from standard input.

It runs in a process of its own, so that every game has its window, which reacts at once while the
game, or an agent, computes. It is started by its path and imports nothing of the package.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
from typing import Any, BinaryIO

HEADER = struct.Struct("<II")
"""Width and height of the picture that follows, as RGB bytes."""
READY, UNSEEN = b"ready\n", b"unseen\n"
"""Answers to the first picture, the latter if there is no display; any other is an error."""

# The share of the screen that a new window may take.
_SHARE = 0.8


def enlargement(size: tuple[int, int], room: tuple[float, float]) -> int:
    """Returns the largest whole factor by which a picture fits; 1 if it does not fit."""
    return max(1, int(min(room[0] / size[0], room[1] / size[1])))


class Screen:
    """Window with a picture, as large as fits its size.

    Args:
        pygame: The module.
        title: The text in the title bar.
    """

    def __init__(self, pygame: Any, title: str) -> None:
        self._pygame = pygame
        self._title = title
        self._surface: Any = None
        self._picture: Any = None

    def show(self, size: tuple[int, int], pixels: bytes) -> None:
        """Shows a picture of (width, height) in RGB bytes; the first one opens the window.

        It opens enlarged by a whole factor, so that small pictures are sharp and easy to see.
        """
        pygame = self._pygame
        self._picture = pygame.image.frombuffer(pixels, size, "RGB")
        if self._surface is None:
            pygame.display.init()
            desktop = pygame.display.get_desktop_sizes()[0]
            factor = enlargement(size, (_SHARE * desktop[0], _SHARE * desktop[1]))
            pygame.display.set_caption(self._title)
            window = (size[0] * factor, size[1] * factor)
            self._surface = pygame.display.set_mode(window, pygame.RESIZABLE)
        self.draw()

    @property
    def is_seen(self) -> bool:
        """Whether there is a display, or one was chosen that is not to be seen."""
        return self._pygame.display.get_driver() != "offscreen" or "SDL_VIDEODRIVER" in os.environ

    def draw(self) -> None:
        """Draws the picture in the middle of the window, with sharp edges at any size."""
        pygame, picture = self._pygame, self._picture
        self._surface = pygame.display.get_surface()
        room, size = self._surface.get_size(), picture.get_size()
        factor = enlargement(size, room)
        share = min(room[0] / size[0], room[1] / size[1])
        target = [max(1, round(side * share)) for side in size]
        if share > 1:
            # The next whole factor, made smaller, blurs no more than the border between two pixels.
            factor += share > factor
            picture = pygame.transform.scale(picture, [side * factor for side in size])
        if picture.get_size() != tuple(target):
            picture = pygame.transform.smoothscale(picture, target)
        self._surface.fill((0, 0, 0))
        self._surface.blit(
            picture, [(whole - part) // 2 for whole, part in zip(room, target, strict=True)]
        )
        pygame.display.flip()

    def react(self, event: Any) -> bool:
        """Draws again if an event asks for it; returns whether the window stays open."""
        pygame = self._pygame
        if event.type in (pygame.WINDOWRESIZED, pygame.WINDOWEXPOSED) and self._picture:
            self.draw()
        closes = event.type == pygame.KEYDOWN and (
            pygame.key.name(event.key) in ("q", "w")
            and event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META)
        )
        return not (event.type == pygame.QUIT or closes)


def watch(screen: Screen, pygame: Any, stream: BinaryIO, answers: BinaryIO) -> None:
    """Shows the pictures of a stream until it ends or the window is closed."""
    received = pygame.event.custom_type()

    def receive() -> None:
        while picture := _read(stream):
            pygame.event.post(pygame.event.Event(received, picture=picture))
        pygame.event.post(pygame.event.Event(pygame.QUIT))

    first = _read(stream)
    if first is None:
        return
    screen.show(*first)
    answers.write(READY if screen.is_seen else UNSEEN)
    answers.flush()
    threading.Thread(target=receive, daemon=True).start()
    while True:
        event = pygame.event.wait()
        if event.type == received:
            screen.show(*event.picture)
        elif not screen.react(event):
            return


def _read(stream: BinaryIO) -> tuple[tuple[int, int], bytes] | None:
    """Returns the next picture, or `None` at the end."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    width, height = HEADER.unpack(header)
    if not width:
        return None
    pixels = stream.read(3 * width * height)
    return None if len(pixels) < 3 * width * height else ((width, height), pixels)


def main(title: str) -> None:
    """Runs the window."""
    # Ctrl+C is meant for the game, whose end closes the window.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = sys.stdout.buffer
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    import pygame

    try:
        watch(Screen(pygame, title), pygame, sys.stdin.buffer, answers)
    except pygame.error as error:
        answers.write(str(error).encode() + b"\n")
        answers.flush()
    # Without waiting for the thread that reads.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
