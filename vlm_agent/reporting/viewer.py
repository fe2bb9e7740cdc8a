"""Window that shows an agent playing: what it sees, thinks, writes and does."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.options import JsonObject, check_least, check_positive
from vlm_agent.core.run_directory import CONFIG_FILE
from vlm_agent.evaluation.play import PolicyLike, play
from vlm_agent.reporting.playback import Playback, StepSource

if TYPE_CHECKING:
    from types import ModuleType

    from vlm_agent.reporting.viewer_scene import View

_MAX_FRAMES = 30  # per second


@dataclass
class PlayConfig(LoadOptions):
    """Shows a policy at play in a window: picture, prompt, thought, reply, action and reward.

    Args:
        run: The directory of a policy, or the word random or expert.
        env: Environment id, such as gym_cards/NumberLine-v0; by default the one that the run was
            trained in.
        env_kwargs: Keyword arguments of the environment, as JSON; by default those of the run,
            where the environment is the run's.
        episodes: How many episodes to play.
        seed: Of the episodes, of sampling and of random moves.
        temperature: At which a model replies; by default as it was trained, and 0 is greedy.
        seconds: How long each step is shown.
        paused: Begin paused, and go from step to step by key.
    """

    run: Positional[str]
    env: str | None = None
    env_kwargs: JsonObject = field(default_factory=dict)
    episodes: int = 1000
    seed: int = 0
    temperature: float | None = None
    seconds: float = 1.5
    paused: bool = False

    def __post_init__(self) -> None:
        """Refuses numbers that nothing can be shown by, and finds the run's environment."""
        check_least(self, 1, "episodes")
        check_positive(self, "seconds")
        if self.env is None:
            path = Path(self.run) / CONFIG_FILE
            if not path.is_file():
                raise ValueError(f"{self.run} does not say what to play: give an --env")
            options = json.loads(path.read_text(encoding="utf-8"))
            self.env = str(options["env"])
            self.env_kwargs = self.env_kwargs or dict(options.get("env_kwargs", {}))


def watch(config: PlayConfig, policy: PolicyLike) -> None:
    """Shows a policy playing in a window, and returns when the window is closed.

    Args:
        config: What to play, and how fast.
        policy: The policy.

    Raises:
        ImportError: If pygame is not installed.
        Exception: If the policy or the environment raised it.
    """
    pygame = load_pygame()
    from vlm_agent.reporting.viewer_scene import View

    steps = play(
        policy,
        str(config.env),
        episodes=config.episodes,
        seed=config.seed,
        num_envs=1,
        env_kwargs=config.env_kwargs,
    )
    source = StepSource(steps)
    pygame.init()
    try:
        view = View(pygame, f"{config.run} plays {config.env}", policy)
        playback = Playback(config.seconds, paused=config.paused)
        _loop(pygame, view, playback, source)
    finally:
        source.stop()
        pygame.quit()


def load_pygame() -> ModuleType:
    """Imports pygame without its greeting.

    Raises:
        ImportError: If it is not installed; says how to install it.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ModuleNotFoundError:
        raise ImportError(
            'the window needs pygame, which is not installed; run: pip install "gym-cards[human]"'
        ) from None
    return pygame


def _loop(pygame: ModuleType, view: View, playback: Playback, source: StepSource) -> None:
    clock = pygame.time.Clock()
    stale = True
    while not playback.closed:
        for event in pygame.event.get():
            stale = True
            if event.type == pygame.QUIT:
                playback.closed = True
            elif event.type == pygame.KEYDOWN:
                playback.press(_key(pygame, event))
        stale = playback.tick(time.monotonic(), source.next) or stale
        if stale:
            view.draw(playback, finished=source.finished)
            stale = False
        clock.tick(_MAX_FRAMES)


def _key(pygame: ModuleType, event: Any) -> str:
    """Returns the character of a key if the window knows it, else the name of the key."""
    return event.unicode if event.unicode in ("+", "-", "=") else str(pygame.key.name(event.key))
