"""Options of `vlm-agent eval`."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.api import ApiOptions
from vlm_agent.config.generation import Parser
from vlm_agent.config.model import LoadOptions
from vlm_agent.config.options import JsonObject, check_least


@dataclass
class EvalConfig(LoadOptions, ApiOptions):
    """Measures policies in environments: a table, and a JSON record of each.

    With --json, a call that was interrupted goes on from where it stopped when it is given again.

    Args:
        policy: The word random or expert, the directory of a policy, a model's name on a hub,
            api: and a model's name behind an OpenAI-compatible API, sb3: and the file or run of a
            model of stable-baselines3, or recording: and the file of episodes that a person played;
            several to compare.
        env: Environment id, such as gym_cards/NumberLine-v0; several to compare.
        episodes: Episodes of each policy in each environment.
        seed: Of the episodes, of sampling and of random moves.
        num_envs: Episodes played side by side.
        env_kwargs: Keyword arguments of the environments, as JSON.
        regret: Measure how much each action gives away to optimal play, in environments that know
            it; in the points games that takes up to a tenth of a second a step.
        temperature: At which models reply; by default as they were trained, or as the API does;
            0 is greedy.
        top_k: How many of the likeliest tokens models may write, 0 for all; by default as they
            were trained.
        top_p: Of those, the fewest likeliest that together hold this probability may be written;
            by default as they were trained.
        parser: Rule by which replies of models are parsed: json, or published, that of the paper's
            code; by default as they were trained, and json behind an API.
        json: File for the records, one JSON object a line; written anew. While the call has not
            ended, what has been played is kept beside it, in a file whose name ends in .progress.
        markdown: File for the table, in Markdown.
        plot: File for a picture of success with its intervals, such as success.png.
        record: Folder for the episodes themselves, with pictures, prompts and replies, after those
            that it holds; for `vlm-agent report` and `vlm-agent export`.
        record_episodes: How many of each policy's episodes in each environment to record, the
            first ones; all by default.
    """

    policy: tuple[str, ...]
    env: tuple[str, ...]
    episodes: int = 100
    seed: int = 0
    num_envs: int = 16
    env_kwargs: JsonObject = field(default_factory=dict)
    regret: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    parser: Parser | None = None
    json: str | None = None
    markdown: str | None = None
    plot: str | None = None
    record: str | None = None
    record_episodes: int | None = None

    def __post_init__(self) -> None:
        """Refuses an evaluation of nothing."""
        if not self.policy or not self.env:
            raise ValueError("expected at least one --policy and one --env")
        ApiOptions.__post_init__(self)
        if self.top_k is not None and any(name.startswith("api:") for name in self.policy):
            raise ValueError(
                "top_k is not a part of the API: leave it out, or, where the server knows it, give "
                """--api-extra '{"top_k": 50}'"""
            )
        check_least(self, 1, "episodes", "num_envs")
