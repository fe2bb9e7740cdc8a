"""Options of `vlm-agent eval`."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.api import ApiOptions, refuse_top_k
from vlm_agent.config.engine import EngineOptions
from vlm_agent.config.model import LoadOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import (
    JsonObject,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveFraction,
    PositiveInt,
)
from vlm_agent.core.parsing import Parser


@dataclass
class EvalConfig(LoadOptions, PromptOptions, EngineOptions, ApiOptions):
    """Evaluates policies in environments: prints a table, and records each result as JSON.

    With --json, an interrupted call continues from where it stopped when it is repeated.

    Args: Evaluation
        policy: Policies to compare: random, expert, demonstrator (the expert that fine-tuning
            learns from, which knows no more than the pictures show), the directory of a policy, the
            name of one in the package, a model's name on a hub, api:MODEL behind an
            OpenAI-compatible API, sb3:PATH of a Stable-Baselines3 model or run, or recording:FILE
            of episodes that a person played.
        env: Environment ids, such as gym_cards/NumberLine-v0.
        episodes: Episodes of each policy in each environment.
        all_games: Play every game of environments that list their games, such as
            gym_cards/ALFWorld-v0 in its validation splits, each exactly once, in place of a number
            of episodes.
        seed: Random seed of episodes, sampling and random actions.
        num_envs: Number of episodes played in parallel.
        env_kwargs: Keyword arguments of the environments, as JSON.
        regret: Measure how much each action loses compared with optimal play, in environments that
            know it; in the points games this takes up to 0.1 s per step.

    Args: Replies
        temperature: Sampling temperature of models; 0 is greedy; by default that of training, or
            the API's.
        top_k: Number of most likely tokens that models sample from, 0 for all; by default as in
            training.
        top_p: Models sample from the fewest most likely tokens whose probabilities sum up to this;
            by default as in training.
        parser: Rule by which replies are parsed: json, or published, that of the paper's code; by
            default as in training, and json behind an API.

    Args: Output
        json: File for the records, one JSON object per line, written when the first record is
            complete and after each one. Earlier records in it are replaced; a file that holds
            anything else is refused. Until the call has finished, the episodes so far are kept next
            to it in a file that ends in .progress.
        markdown: File for the table, in Markdown; an existing file is replaced only if it holds
            such a table.
        plot: File for a chart of success rates with intervals, such as success.png.
        record: Folder to which the episodes are appended, with pictures, prompts and replies, for
            `vlm-agent report` and `vlm-agent export`.
        record_episodes: Number of episodes to record for each policy and environment, with
            --record; by default all.
    """

    policy: NonEmpty[PathText]
    env: NonEmpty[str]
    episodes: PositiveInt = 100
    all_games: bool = False
    seed: int = 0
    num_envs: PositiveInt = 16
    env_kwargs: JsonObject = field(default_factory=dict)
    regret: bool = False
    temperature: NonNegativeFloat | None = None
    top_k: NonNegativeInt | None = None
    top_p: PositiveFraction | None = None
    parser: Parser | None = None
    json: PathText | None = None
    markdown: PathText | None = None
    plot: PathText | None = None
    record: PathText | None = None
    record_episodes: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        """Refuses options that a policy does not have, or that nothing would use."""
        super().__post_init__()
        refuse_top_k(self.top_k, self.policy)
        if self.record_episodes is not None and self.record is None:
            raise ValueError(
                f"record_episodes={self.record_episodes} without record: nothing is recorded; give "
                "a folder as record, or leave it out"
            )
