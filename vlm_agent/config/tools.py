"""Options of the smaller commands: show, play, serve, report, export, merge and demo."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.options import Options
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import (
    Bounds,
    JsonObject,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    Positional,
    PositiveFloat,
    PositiveInt,
)
from vlm_agent.core.run_directory import CONFIG_FILE


@dataclass
class ShowConfig(PromptOptions):
    """Prints what a model sees in an environment, and how an expert would reply.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        seed: Random seed of the episode.

    Args: Prompt and picture
        model: Directory or hub name of a model, to show the prompt in its chat template and the
            picture after its processor.
        picture: File for the picture, a PNG.
        cot: Ask for the state and reasons before the action.
    """

    env: str
    model: str | None = None
    picture: str = "show.png"
    seed: int = 0
    env_kwargs: JsonObject = field(default_factory=dict)
    cot: bool = True


@dataclass
class PlayConfig(LoadOptions, PromptOptions):
    """Shows a policy playing in a window: picture, prompt, thought, reply, action and reward.

    Args: Episodes
        run: Directory of a policy, or the word random or expert.
        env: Environment id; by default the environment that the run was trained in.
        env_kwargs: Keyword arguments of the environment, as JSON; by default those of the run if
            the environment is the run's.
        episodes: Number of episodes to play.
        seed: Random seed of episodes, sampling and random actions.
        temperature: Sampling temperature of a model; 0 is greedy; by default that of training.

    Args: Window
        seconds: Seconds for which each step is shown.
        paused: Start paused, and move from step to step by key.
    """

    run: Positional[str]
    env: str | None = None
    env_kwargs: JsonObject = field(default_factory=dict)
    episodes: PositiveInt = 1000
    seed: int = 0
    temperature: NonNegativeFloat | None = None
    seconds: PositiveFloat = 1.5
    paused: bool = False

    def __post_init__(self) -> None:
        """Looks up the run's environment if none is given."""
        super().__post_init__()
        if self.env is None:
            path = Path(self.run) / CONFIG_FILE
            if not path.is_file():
                raise ValueError(f"{self.run} does not name an environment: give one with --env")
            options = json.loads(path.read_text(encoding="utf-8"))
            if options["env"] is None:
                raise ValueError(f"{self.run} was trained without an environment: give an --env")
            self.env = str(options["env"])
            self.env_kwargs = self.env_kwargs or dict(options.get("env_kwargs", {}))


@dataclass
class ServeConfig(LoadOptions):
    """Serves a policy through the OpenAI chat-completions API, on this machine only.

    Args: Server
        policy: Directory of a policy, or a model's name on a hub.
        port: Port on 127.0.0.1; 0 takes a free one.
        name: The model's name in requests; by default the last part of the policy's path.
        batch_size: Maximum number of requests in a batch.
    """

    policy: Positional[str]
    port: Annotated[int, Bounds(0, 2**16 - 1)] = 8000
    name: str | None = None
    batch_size: PositiveInt = 16

    def __post_init__(self) -> None:
        """Derives the name if none is given."""
        super().__post_init__()
        if self.name is None:
            self.name = Path(self.policy).name


@dataclass
class ReportConfig(Options):
    """Writes runs, evaluations and recorded episodes into one HTML page that works offline.

    Args: Report
        run: Directories of runs, folders of recorded episodes, evaluation files, or directories
            that hold any of these.
        out: Where to write the page: a file that ends in .html, or a directory for an index.html.
        title: Title of the page.
        episodes: Maximum number of recorded episodes to show for each policy and environment,
            evenly spread.
    """

    run: Positional[NonEmpty[str]]
    out: str = "report"
    title: str = "Agent report"
    episodes: NonNegativeInt = 40


@dataclass
class ExportConfig(Options):
    """Turns recorded episodes into fine-tuning data: one sample per step with a reply.

    Args: Export
        recording: Folders of recorded episodes, or directories of runs that recorded.
        out: Directory for the data; must be empty or not exist.
        form: llava writes conversations.json next to its pictures; datasets writes a data set for
            `datasets.load_from_disk`, with the columns images and messages.
        episodes: won keeps only steps of successful episodes, all keeps those of every episode.
        illegal: Keep replies that name no legal action.
    """

    recording: Positional[NonEmpty[str]]
    out: str
    form: Literal["llava", "datasets"] = "llava"
    episodes: Literal["won", "all"] = "won"
    illegal: bool = False


@dataclass
class MergeConfig(Options):
    """Merges a policy's adapter into the weights of its model, and saves an ordinary model.

    Args: Merge
        model: Directory of a policy that was trained with --lora.
        out: Directory of the merged policy; must be empty or not exist.
        dtype: Data type of the merged weights; auto is that of the model. In float32 nothing of the
            adapter's change is lost, in bfloat16 much of it may be.
        for_vllm: Write the files that `vllm serve` reads, without the value head; a policy without
            an adapter is then taken too.
        trust_remote_code: Run Python code that comes with the model; only for authors you trust.
    """

    model: str
    out: str
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    for_vllm: bool = False
    trust_remote_code: bool = False


@dataclass
class DemoConfig(Options):
    """Trains the tiny model on NumberLine from scratch, and evaluates it before and after RL.

    Args: Demo
        out: Directory of everything that the demo writes.
        seed: Random seed of weights, episodes, replies and minibatches.
        episodes: Episodes per evaluation.
        sft_samples: Number of demonstrations, with random actions.
        ppo_steps: Environment steps of reinforcement learning.
        threads: Number of torch's CPU threads; more than one does not help so small a model.
        overwrite: Replace what --out holds.
    """

    out: str = "runs/demo"
    seed: int = 0
    episodes: PositiveInt = 200
    sft_samples: PositiveInt = 4096
    ppo_steps: PositiveInt = 10_240
    threads: PositiveInt = 1
    overwrite: bool = False
