"""Players by name: random, expert, saved models, recordings, and players of other packages.

A package offers players whose names begin with `PREFIX:` through an entry point of the group
`vlm_agent.players`, called `PREFIX`. The entry point is a function that is given the rest of the
name and returns a policy, or a `LazyPolicy` if loading it takes time. The function is called before
anything is played, so it should raise an error if there is no such player.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from vlm_agent.config.engine import EngineOptions
from vlm_agent.config.model import LoadOptions, quiet_transformers
from vlm_agent.core.parsing import Parser
from vlm_agent.core.run_directory import packaged_policies, policy_place
from vlm_agent.evaluation.play import PolicyLike
from vlm_agent.evaluation.progress_log import fingerprint
from vlm_agent.evaluation.recorded_player import RecordedPlayer

ENTRY_POINTS = "vlm_agent.players"
# Packages of the repository that are not part of the distribution.
_ONLY_IN_A_CLONE = ("baselines",)


@dataclass(frozen=True)
class LazyPolicy:
    """A policy that is loaded on first use; not at all if its results are known already.

    Attributes:
        load: Loads it.
        identity: Plain values that distinguish it from other policies of the same name, such as
            sampling settings and a `fingerprint` of its files. An interrupted evaluation is
            continued only by a policy with the same identity.
    """

    load: Callable[[], PolicyLike]
    identity: Mapping[str, Any] = field(default_factory=dict)


PlayerFinder = Callable[[str], "PolicyLike | LazyPolicy"]
"""Function of a player's name without its prefix; raises an error if there is no such player."""


@dataclass(frozen=True)
class GenerationOverrides:
    """Settings with which models reply; `None` keeps those that were saved with the model.

    Attributes:
        temperature: Sampling temperature.
        top_k: Number of most likely tokens to sample from; 0 for all.
        top_p: Sample from the fewest most likely tokens whose probabilities sum up to this.
        parser: Rule by which replies are parsed.
        prompt: Prompt, as `vlm_agent.core.prompt_builder.resolve_prompt` returns it.
        system_prompt: System message; empty for none.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    parser: Parser | None = None
    prompt: str | None = None
    system_prompt: str | None = None


def find_player(
    name: str,
    *,
    load_options: LoadOptions | None = None,
    overrides: GenerationOverrides | None = None,
    engine: EngineOptions | None = None,
    num_envs: int = 16,
    finders: Mapping[str, PlayerFinder] | None = None,
) -> PolicyLike | LazyPolicy:
    """Returns the player of a name, without loading a model.

    Args:
        name: "random", "expert", "demonstrator", the directory of a policy, the name of one in
            the package or of a model on a hub, "recording:FILE", or "PREFIX:REST" with a prefix of
            `finders` or of an entry point.
        load_options: How models are loaded.
        overrides: How models reply, if not as saved.
        engine: The program that writes the replies of models; by default the model itself.
        num_envs: Largest number of replies that it writes at once.
        finders: Players of further prefixes, such as "api"; they take precedence over entry points.

    Raises:
        OSError: If there is no such player, directory or file.
        ValueError: If a file is not what the name says.
        ImportError: If a package that the player needs is not installed.
    """
    if name in ("random", "expert", "demonstrator"):
        return name
    prefix, colon, rest = name.partition(":")
    known: dict[str, PlayerFinder] = {"recording": _find_recording, **(finders or {})}
    if colon and prefix in known:
        return known[prefix](rest)
    offered = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    if colon and prefix in offered:
        return _load_entry_point(offered[prefix])(rest)
    if (colon or "/" not in name) and not Path(policy_place(name)).exists():
        prefixes = ", ".join(f"{each}:…" for each in sorted({*known, *offered}))
        raise FileNotFoundError(
            f"no policy {name!r}: expected random, expert, demonstrator, a directory that "
            "`vlm-agent sft` or `vlm-agent ppo` wrote, ORGANISATION/MODEL of a hub, a policy in "
            f"the package ({', '.join(packaged_policies())}), or one of {prefixes}"
        )
    return _find_model(
        policy_place(name),
        load_options or LoadOptions(),
        overrides or GenerationOverrides(),
        engine or EngineOptions(),
        num_envs,
    )


def resolve_policy(policy: PolicyLike | LazyPolicy) -> PolicyLike:
    """Returns a policy, loaded if it is lazy."""
    return policy.load() if isinstance(policy, LazyPolicy) else policy


def _find_recording(file: str) -> LazyPolicy:
    RecordedPlayer(file)  # raises an error now if the file is no recording
    return LazyPolicy(lambda: RecordedPlayer(file), {"files": fingerprint(file)})


def _find_model(
    name: str,
    load_options: LoadOptions,
    overrides: GenerationOverrides,
    engine: EngineOptions,
    num_envs: int,
) -> LazyPolicy:
    from vlm_agent.models.places import check_name

    check_name(name)
    # Options of a command may inherit from LoadOptions: its other fields do not count.
    identity = {each.name: getattr(load_options, each.name) for each in fields(LoadOptions)}
    identity |= asdict(overrides)
    if engine.engine != "hf":
        identity["engine"] = engine.engine  # its rounding, and so its samples, are others
    if Path(name).is_dir():
        identity["files"] = fingerprint(name)

    def read() -> PolicyLike:
        quiet_transformers()
        from vlm_agent.engines.make import make_engine
        from vlm_agent.models.policy import VLMPolicy

        policy = VLMPolicy.load(name, options=load_options, **asdict(overrides))
        policy.engine = make_engine(engine, policy, num_envs)
        return policy

    return LazyPolicy(read, identity)


def _load_entry_point(entry: metadata.EntryPoint) -> PlayerFinder:
    """Returns the function of an entry point.

    Raises:
        ImportError: If a package is missing, with what to do about it.
    """
    package = entry.module.partition(".")[0]
    try:
        finder: PlayerFinder = entry.load()
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing == package and package in _ONLY_IN_A_CLONE:
            raise ImportError(
                f"the players of {entry.name}: are in the repository's folder {package}, which is "
                f"not installed with the package: run `python -m vlm_agent` in a clone"
            ) from error
        raise ImportError(
            f"the players of {entry.name}: need {missing}, which is not installed"
        ) from error
    return finder
