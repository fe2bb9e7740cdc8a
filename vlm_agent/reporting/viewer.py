"""A window in which an agent plays: what it sees, thinks, writes and plays, as it happens."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vlm_agent.config.tools import PlayConfig
from vlm_agent.evaluation.play import PolicyLike, Step
from vlm_agent.evaluation.play import play as play_episodes

if TYPE_CHECKING:
    from types import ModuleType

    from vlm_agent.reporting.viewer_scene import View

_FRAMES = 30  # a second, at most
_FASTEST, _SLOWEST = 0.05, 20.0  # seconds a step


def watch(config: PlayConfig, policy: PolicyLike) -> None:
    """Opens the window, and returns when it is closed.

    Raises:
        ImportError: If pygame is missing.
        Exception: Whatever ends the play in between.
    """
    pygame = load_pygame()
    from vlm_agent.reporting.viewer_scene import View

    source = Source(config, policy)
    pygame.init()
    try:
        view = View(pygame, f"{config.run} plays {config.env}", policy)
        show = Show(config.seconds, paused=config.paused)
        _loop(pygame, view, show, source)
    finally:
        source.stop()
        pygame.quit()


def load_pygame() -> ModuleType:
    """Imports pygame without the line that it greets with.

    Raises:
        ImportError: If it is missing, naming what to install.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ModuleNotFoundError:
        raise ImportError(
            'the window needs pygame, which is not installed; run: pip install "gym-cards[human]"'
        ) from None
    return pygame


class Source:
    """Plays in a thread of its own, so that the window answers while a large model thinks.

    Args:
        config: What to play.
        policy: Who plays.
    """

    def __init__(self, config: PlayConfig, policy: PolicyLike) -> None:
        # One step ahead at most: what is shown is what is being played.
        self._steps: queue.Queue[Step | BaseException | None] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self.finished = False
        steps = play_episodes(
            policy,
            str(config.env),
            episodes=config.episodes,
            seed=config.seed,
            num_envs=1,
            env_kwargs=config.env_kwargs,
        )
        self._thread = threading.Thread(target=self._run, args=(steps,), daemon=True)
        self._thread.start()

    def next(self) -> Step | None:
        """The next step, or `None` while there is none yet; `finished` tells when all are over."""
        if self.finished:
            return None
        try:
            item = self._steps.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            self.finished = True
            raise item
        self.finished = item is None
        return item

    def stop(self) -> None:
        """Ends the play after the step that is being thought about."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self, steps: Iterator[Step]) -> None:
        try:
            for step in steps:
                if not self._put(step):
                    return
            self._put(None)
        except BaseException as error:  # raised again where the window is
            self._put(error)

    def _put(self, item: Step | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._steps.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class Show:
    """What the window shows now, and when the next step is due.

    Args:
        seconds: How long each step is shown.
        paused: Whether to wait for a key.

    Attributes:
        steps: The steps of the present episode, up to the one that is shown.
        episodes: How many ended.
        wins: How many of them ended well.
        prompt: Whether the prompt is shown in the reply's place.
        waiting: Whether the next step is due and still being thought about.
        closed: Whether the player has asked to leave.
    """

    def __init__(self, seconds: float, *, paused: bool = False) -> None:
        self.seconds = seconds
        self.paused = paused
        self.steps: list[Step] = []
        self.episodes = 0
        self.wins = 0
        self.prompt = False
        self.waiting = True
        self.closed = False
        self._due = 0.0
        self._skipping: int | None = None
        self._single = True  # the first step is shown at once, also when paused

    @property
    def total(self) -> float:
        """Sum of the rewards of the present episode."""
        return sum(step.reward for step in self.steps)

    def tick(self, now: float, take: Callable[[], Step | None]) -> bool:
        """Goes on to the next step if it is due and there is one.

        Args:
            now: The time in seconds.
            take: Gives the next step, or `None` while there is none.

        Returns:
            Whether there is something new to see.
        """
        due = self._single or self._skipping is not None or (not self.paused and now >= self._due)
        if not due:
            return False
        step = take()
        changed = self.waiting != (step is None)
        self.waiting = step is None
        if step is None:
            return changed
        if step.index == 0:
            self.steps = []
        self.steps.append(step)
        if step.last:
            self.episodes += 1
            self.wins += step.is_success
        if self._skipping != step.episode:
            self._skipping = None
            self._single = False
        # The end of an episode stays twice as long.
        self._due = now + self.seconds * (2 if step.last else 1)
        return True

    def press(self, key: str) -> None:
        """Does what a key stands for; other keys do nothing."""
        if key in ("escape", "q"):
            self.closed = True
        elif key == "space":
            self.paused = not self.paused
            self._due = 0.0
        elif key in ("right", "n"):
            self.paused, self._single = True, True
        elif key == "e" and self.steps:
            self._skipping = self.steps[-1].episode
        elif key == "p":
            self.prompt = not self.prompt
        elif key in ("+", "=", "up"):
            self.seconds = max(_FASTEST, self.seconds / 1.5)
            self._due = 0.0
        elif key in ("-", "down"):
            self.seconds = min(_SLOWEST, self.seconds * 1.5)


def _loop(pygame: ModuleType, view: View, show: Show, source: Source) -> None:
    clock = pygame.time.Clock()
    stale = True
    while not show.closed:
        for event in pygame.event.get():
            stale = True
            if event.type == pygame.QUIT:
                show.closed = True
            elif event.type == pygame.KEYDOWN:
                show.press(_key(pygame, event))
        stale = show.tick(time.monotonic(), source.next) or stale
        if stale:
            view.draw(show, finished=source.finished)
            stale = False
        clock.tick(_FRAMES)


def _key(pygame: ModuleType, event: Any) -> str:
    """A key by its sign, where it has one that this window knows, or else by its name."""
    return event.unicode if event.unicode in ("+", "-", "=") else str(pygame.key.name(event.key))
