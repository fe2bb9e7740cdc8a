"""Pages of the games, made from the docstrings of their classes, and the list of all ids."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from episodes import Episode, animation, example
from gymnasium.envs.registration import EnvSpec, load_env_creator

import gym_cards  # noqa: F401

NAMESPACE = "gym_cards"


@dataclass(frozen=True)
class GamePage:
    """Game of the registry.

    Attributes:
        game: The environment's class.
        specs: The ids that make it; the first one is the game as published.
    """

    game: type[gym.Env[Any, Any]]
    specs: tuple[EnvSpec, ...]

    @property
    def name(self) -> str:
        """The game's name."""
        return self.game.__name__.removesuffix("Env")

    @property
    def slug(self) -> str:
        """The page's name in the site."""
        return self.name.lower()

    @property
    def summary(self) -> str:
        """The docstring's first sentence."""
        return inspect.cleandoc(self.game.__doc__ or "").split("\n", 1)[0]

    @property
    def text(self) -> str:
        """The rest of the docstring."""
        return inspect.cleandoc(self.game.__doc__ or "").split("\n", 1)[1].strip()


def games() -> list[GamePage]:
    """Returns every registered game, in the order of registration."""
    found: dict[Any, list[EnvSpec]] = {}
    for spec in gym.registry.values():
        if spec.namespace == NAMESPACE and isinstance(spec.entry_point, str):
            found.setdefault(load_env_creator(spec.entry_point), []).append(spec)
    return [GamePage(game, tuple(specs)) for game, specs in found.items()]


def arguments(kwargs: dict[str, Any]) -> str:
    """Returns keyword arguments as they are written in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in kwargs.items())


def what_is_new(page: GamePage, env_id: str) -> str:
    """Returns what the docstring's table of variants says of an id; empty for the game itself."""
    row = re.search(rf"^\| `{re.escape(env_id)}`.*\|(.*)\|$", page.text, re.MULTILINE)
    return row[1].strip() if row else ""


def ids_table(pages: list[GamePage], folder: str = "") -> str:
    """Returns a table of all ids, in Markdown, with links to the games' pages in a folder."""
    rows = ["| Id | Game | Arguments | What is new |", "| --- | --- | --- | --- |"]
    for page in pages:
        for spec in page.specs:
            call = f"`{arguments(spec.kwargs)}`" if spec.kwargs else ""
            rows.append(
                f"| `{spec.id}` | [{page.name}]({folder}{page.slug}.md) | {call} "
                f"| {what_is_new(page, spec.id) or page.summary} |"
            )
    return "\n".join(rows) + "\n"


def game_page(page: GamePage, episode: Episode | None) -> str:
    """Returns the page in Markdown.

    Args:
        page: The game.
        episode: What the animation on the page shows, if there is one.
    """
    env_id = page.specs[0].id
    parts = [f"# {page.name}\n\n{page.summary}\n"]
    if episode is not None:
        goal = f' The goal here: "{episode.task}".' if episode.task else ""
        parts.append(
            f"![An episode of {page.name}](../images/episodes/{page.slug}.gif){{ .episode }}\n\n"
            f"The expert plays the episode of seed {episode.seed}.{goal} Below each picture are "
            "the action chosen on it and the reason. The picture alone is what an agent sees.\n"
        )
    parts.append(
        f'```python\nimport gymnasium as gym\nimport gym_cards\n\nenv = gym.make("{env_id}")\n```\n'
    )
    return "\n".join(parts) + f"\n{page.text}\n\n{_told(page)}"


def index_page(pages: list[GamePage]) -> str:
    """Returns the page of all ids, in Markdown."""
    return (
        "---\nhide: [toc]\n---\n\n# Environments\n\n"
        "`import gym_cards` registers these ids with Gymnasium. Any argument that a game's page "
        "describes can be given to any of its ids, as in "
        '`gym.make("gym_cards/Points24Exact-v0", size=128)`.\n\n'
        f'<div class="ids" markdown>\n\n{ids_table(pages)}\n</div>\n'
    )


def moving_picture(page: GamePage) -> tuple[Episode, bytes] | None:
    """Returns an expert's episode and its GIF, or `None` if the game's packages are missing."""
    try:
        episode = example(page.specs[0].id)
    except gym.error.DependencyNotInstalled:
        return None
    return episode, animation(episode)


def _told(page: GamePage) -> str:
    """Returns the section with the task description."""
    told = getattr(page.game, "task_description", None)
    if not isinstance(told, str):
        with gym.make(page.specs[0].id) as env:
            told = env.get_wrapper_attr("task_description")
    return (
        "## What an agent is told\n"
        "`task_description`, which `vlm-agent` puts into the prompt:\n\n"
        f"> {told}\n"
    )
