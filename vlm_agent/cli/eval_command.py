"""The command `vlm-agent eval`: its options, the players that it knows, and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tqdm import tqdm

from baselines.runs import model_file
from vlm_agent.config.api import ApiOptions
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.model import LoadOptions, quiet_transformers
from vlm_agent.core.environments import make_env
from vlm_agent.data.trajectories import record_evaluation
from vlm_agent.evaluation.comparison import Lazy, compare, progress_file
from vlm_agent.evaluation.evaluate import Evaluation
from vlm_agent.evaluation.play import PolicyLike, Step
from vlm_agent.evaluation.progress_log import fingerprint
from vlm_agent.evaluation.recorded_player import RecordedPlayer
from vlm_agent.evaluation.tables import markdown_table, text_table

if TYPE_CHECKING:
    from vlm_agent.serving.api_model import ApiModel

# What begins the names of players that are no directories of models.
API = "api:"
SB3 = "sb3:"
RECORDING = "recording:"


def run_eval(config: EvalConfig) -> None:
    """Measures policies, prints the table, and writes what was asked for.

    Raises:
        ValueError: If a policy or an environment is unknown.
        OSError: If a file is missing, or cannot be written.
    """
    from vlm_agent.evaluation.plots import check_picture_file, save_comparison

    for name in config.policy:
        check_player(name, config)
    for env in config.env:
        make_env(env, **config.env_kwargs).close()
    if config.plot is not None:
        check_picture_file(config.plot)
    for file in (config.markdown, config.plot):
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise FileNotFoundError(f"no directory for {file}: make it, or name another file")
    if config.json is not None and progress_file(config.json).is_file():
        print(f"{progress_file(config.json)} is there: going on with what is the same call")
    evaluations: list[Evaluation] = []
    asked: dict[str, ApiModel] = {}
    try:
        for evaluation in compare(
            {name: entrant(name, config) for name in config.policy},
            config.env,
            episodes=config.episodes,
            seed=config.seed,
            num_envs=config.num_envs,
            env_kwargs=config.env_kwargs,
            regret=config.regret,
            json=config.json,
            watch=_watch(config, asked),
        ):
            evaluations.append(evaluation)
    finally:
        if evaluations:
            print(text_table(evaluations))
        for name, model in asked.items():
            print(f"{name}: {_spent(model)}")
    if config.markdown is not None:
        Path(config.markdown).write_text(markdown_table(evaluations), encoding="utf-8")
    if config.plot is not None:
        save_comparison(evaluations, config.plot)


def _spent(model: ApiModel) -> str:
    """What this call asked of an API, as a line."""
    spent = model.spending
    cost = model.price(spent.prompt_tokens, spent.reply_tokens)
    return (
        f"{spent.requests} requests, {spent.retries} of them after failures, and {spent.cached} "
        f"replies from the cache; {spent.prompt_tokens} tokens of prompts, {spent.reply_tokens} of "
        f"replies{'' if cost is None else f', cost {cost:.4g}'}"
    )


def _watch(config: EvalConfig, asked: dict[str, ApiModel]) -> Any:
    """A progress bar for each evaluation, and its recorder; notes which APIs are asked."""

    @contextmanager
    def watch(
        name: str, env: str, policy: PolicyLike, over: int
    ) -> Iterator[Callable[[Step], None]]:
        with (
            tqdm(total=config.episodes, initial=over, desc=f"{name} {env}") as progress,
            record_evaluation(config, policy, name, env) as recorder,
        ):
            if name.startswith(API):
                asked[name] = cast("ApiModel", policy)

            def count(step: Step) -> None:
                if recorder is not None:
                    recorder(step)
                progress.update(step.last)

            yield count

    return watch


def entrant(name: str, config: EvalConfig) -> PolicyLike | Lazy:
    """The player of a name, to be loaded when its turn comes, and what tells it from others."""
    if name in ("random", "expert"):
        return name
    identity: dict[str, Any] = {}
    if name.startswith(SB3):
        identity["files"] = fingerprint(model_file(name.removeprefix(SB3)))
    elif name.startswith(RECORDING):
        identity["files"] = fingerprint(name.removeprefix(RECORDING))
    else:
        kind = ApiOptions if name.startswith(API) else LoadOptions
        options = (*(each.name for each in fields(kind)), "temperature", "top_k", "top_p")
        identity.update({key: getattr(config, key) for key in options})
        if Path(name).is_dir():
            identity["files"] = fingerprint(name)
    return Lazy(
        lambda: load_player(name, config, config.temperature, config.top_k, config.top_p), identity
    )


def check_player(name: str, options: Any) -> None:
    """Refuses names of players that cannot be, before anything is loaded or played.

    Args:
        name: As `EvalConfig.policy` explains.
        options: How it is read or asked.

    Raises:
        OSError: If there is no such directory or file.
        ValueError: If a file is not what its name says.
    """
    if name.startswith(SB3):
        model_file(name.removeprefix(SB3))
        return
    if name.startswith(RECORDING):
        RecordedPlayer(name.removeprefix(RECORDING))
        return
    if name.startswith(API):
        load_player(name, options, None)
        return
    if name in ("random", "expert"):
        return
    if "/" not in name and not Path(name).exists():
        raise FileNotFoundError(
            f"no policy {name!r}: expected random, expert, a directory that "
            "`vlm-agent sft` or `vlm-agent ppo` wrote, ORGANISATION/MODEL of a hub, api:MODEL "
            "behind an API, sb3:PATH of a baseline, or recording:FILE of a person's episodes"
        )
    from vlm_agent.models.loading import check_name

    check_name(name)


def load_player(
    name: str,
    options: Any,
    temperature: float | None,
    top_k: int | None = None,
    top_p: float | None = None,
) -> PolicyLike:
    """The player of a name that `check_player` let pass.

    Args:
        name: As `EvalConfig.policy` explains.
        options: How a model is read, `LoadOptions`, or asked, `ApiOptions`; if it is not of the
            kind that the name needs, the defaults count.
        temperature: Of sampling; here and below, by default as saved.
        top_k: How many of the likeliest tokens may be written.
        top_p: The probability that they may hold together.

    Raises:
        ValueError: If a package is missing, or a model cannot be read.
    """
    if name in ("random", "expert"):
        return name
    if name.startswith(RECORDING):
        return RecordedPlayer(name.removeprefix(RECORDING))
    if name.startswith(API):
        from vlm_agent.serving.api_model import ApiModel

        asked = options if isinstance(options, ApiOptions) else None
        return ApiModel(name.removeprefix(API), asked, temperature=temperature, top_p=top_p)
    if name.startswith(SB3):
        try:
            from baselines.player import SB3Player
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{error.name} is not installed, without which {name} cannot play; run: "
                'pip install "gym-cards[baselines]"'
            ) from error
        return SB3Player.load(name.removeprefix(SB3))
    from vlm_agent.models.policy import VLMPolicy

    quiet_transformers()
    return VLMPolicy.load(name, options=options, temperature=temperature, top_k=top_k, top_p=top_p)
