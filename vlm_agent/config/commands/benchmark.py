"""Options of the command benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.api import ApiOptions, refuse_top_k
from vlm_agent.config.engine import EngineOptions
from vlm_agent.config.model import LoadOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import (
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveFraction,
    PositiveInt,
)
from vlm_agent.core.parsing import Parser


@dataclass
class BenchmarkConfig(LoadOptions, PromptOptions, EngineOptions, ApiOptions):
    """Plays a standard set of tasks: a record of each player, tables, and a page.

    Tasks that a record in --out holds already are not played again, and an interrupted task
    continues from where it stopped.

    Args: Benchmark
        policy: Players, as for `vlm-agent eval --policy`: random, expert, the directory of a
            policy, a model's name on a hub, api:MODEL, sb3:PATH, and others.
        set: Name of the set: gym-cards-1, or alfworld-1.
        games: Games to play, each with its variants; by default all tasks of the set.
        tasks: Single tasks to play, in addition to those of --games.
        quick: Play a few episodes of each task, to try a player; leaderboards refuse the record.
        num_envs: Number of episodes played in parallel; does not change which are played.
        out: Directory of the records, NAME.json, the tables, table.md, and the page, index.html.
        verify: Play the first episodes of this record again instead, and compare what happens.
        verify_episodes: Number of episodes of each task for that.

    Args: Players
        name: Name of each player in the record; by default that of --policy.
        about: How the player was made: the commands, or where that is described.
        trained_on: Ids of the environments that the player was trained in, each with its keyword
            arguments as JSON if it had any, or none; by default as its files say. Variants among
            them do not count as new to it.

    Args: Replies
        temperature: Sampling temperature of models; 0 is greedy; by default that of training, or
            the API's.
        top_k: Number of most likely tokens that models sample from, 0 for all; by default as in
            training.
        top_p: Models sample from the fewest most likely tokens whose probabilities sum up to this;
            by default as in training.
        parser: Rule by which replies are parsed: json, or published, that of the paper's code; by
            default as in training, and json behind an API.
    """

    policy: NonEmpty[PathText]
    set: str = "gym-cards-1"
    games: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    quick: bool = False
    num_envs: PositiveInt = 16
    out: PathText = "runs/benchmark"
    verify: PathText | None = None
    verify_episodes: PositiveInt = 20
    name: tuple[str, ...] = ()
    about: str = ""
    trained_on: tuple[str, ...] = ()
    temperature: NonNegativeFloat | None = None
    top_k: NonNegativeInt | None = None
    top_p: PositiveFraction | None = None
    parser: Parser | None = None

    def __post_init__(self) -> None:
        """Refuses options that do not fit the players."""
        super().__post_init__()
        refuse_top_k(self.top_k, self.policy)
        if self.name and len(self.name) != len(self.policy):
            raise ValueError(
                f"name={list(self.name)} for {len(self.policy)} policies: expected a name for each"
            )
        if len(self.policy) > 1 and (self.verify or self.about or self.trained_on):
            raise ValueError(
                "verify, about and trained_on are of one player: expected a single policy with them"
            )
