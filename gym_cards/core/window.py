"""Window in which a person watches a game, and the import of pygame."""

from __future__ import annotations

import os
from types import ModuleType

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray


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
    """pygame window that shows pictures of shape (height, width, 3), dtype uint8.

    A click on the close button closes it for good; the game continues unseen.

    Args:
        title: The text in the title bar.
        fps: The most pictures shown per second.

    Raises:
        DependencyNotInstalled: If pygame is missing.
    """

    def __init__(self, title: str, fps: int) -> None:
        self._pygame = load_pygame("render_mode='human' shows the game")
        self._title = title
        self._fps = fps
        self._clock = self._pygame.time.Clock()
        self._open = True

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Draws the picture, then waits until the next one is due."""
        if not self._open:
            return
        pygame = self._pygame
        size = (frame.shape[1], frame.shape[0])
        pygame.display.init()
        # SDL shows one window per process, which another game may have opened, resized or closed.
        screen = pygame.display.get_surface()
        if screen is None or screen.get_size() != size:
            screen = pygame.display.set_mode(size)
        pygame.display.set_caption(self._title)
        # pygame's surfaces are indexed by column first.
        pygame.surfarray.blit_array(screen, frame.swapaxes(0, 1))
        pygame.display.flip()
        # Fetching events also pumps them; otherwise the window counts as hanging.
        if pygame.event.get(pygame.QUIT):
            self.close()
            return
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Closes the window; a second call does nothing."""
        if self._open:
            self._open = False
            self._pygame.display.quit()
