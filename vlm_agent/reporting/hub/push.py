"""Pushing a policy to the hub."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from vlm_agent.config.commands import PushConfig
from vlm_agent.config.model import quiet_transformers
from vlm_agent.core.run_directory import METRICS_FILE, POLICY_FILE, POLICY_FILES
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.plots import save_episode
from vlm_agent.reporting.hub.card import CURVE, EPISODE
from vlm_agent.reporting.hub.client import HubError, files_of, hub_errors
from vlm_agent.reporting.hub.folder import CARD, write_card, write_weights
from vlm_agent.reporting.hub.lineage import THIS, Lineage, find_lineage, remaining_steps

# Files that a repository may hold before a policy is first pushed to it.
_HARMLESS = frozenset({".gitattributes", CARD, "LICENSE", "LICENSE.txt"})
# Files of an earlier policy, which are removed where the new one does not have them.
_REPLACED = [p for p in POLICY_FILES if p != "*.txt"] + ["merges.txt", "vocab.txt"]
_REPLACED += [METRICS_FILE, CURVE, EPISODE]


def push(config: PushConfig) -> str:
    """Pushes a policy, or writes the files into `config.dry_run`.

    Everything that can be wrong is checked before anything slow is done, and the repository is
    created last. Files of a policy that was pushed there before are replaced, in a new commit.

    Returns:
        Address of the repository, or the directory.

    Raises:
        FileNotFoundError: If there is no policy, or a file is missing.
        FileExistsError: If `config.dry_run` is not empty.
        HubError: If the repository holds something else, or the hub cannot be reached or refuses.
        ValueError: If the run has not made all of its steps.
    """
    lineage = find_lineage(config.run, config.evaluation)
    steps = None if lineage.run is None else remaining_steps(lineage.run)
    if steps is not None and not config.unfinished:
        raise ValueError(
            f"{config.run} has made {steps[0]:,} of {steps[1]:,} steps: continue it with --resume, "
            "or add --unfinished to push it as it is"
        )
    if config.eval_episodes and not lineage.environments:
        raise ValueError(
            f"eval_episodes={config.eval_episodes}, and {config.run} does not name an environment: "
            "give a file of `vlm-agent eval --json` with --evaluation"
        )
    if config.dry_run is not None:
        out = Path(config.dry_run)
        if out.exists() and any(out.iterdir()):
            raise FileExistsError(f"{out} is not empty: choose another --dry-run")
        _fill(out, config, lineage, config.name)
        return str(out)
    api, name = HfApi(), config.name
    with hub_errors(name, config.revision):
        name = _check(api, config)
    with TemporaryDirectory() as folder:
        _fill(Path(folder), config, lineage, name)
        with hub_errors(name, config.revision):
            api.create_repo(name, private=config.private or None, exist_ok=True)
            if config.revision is not None:
                api.create_branch(name, branch=config.revision, exist_ok=True)
            api.upload_folder(
                repo_id=name,
                folder_path=folder,
                revision=config.revision,
                commit_message="Push a policy of vlm-agent",
                delete_patterns=_REPLACED,
            )
    return f"{api.endpoint}/{name}"


def _check(api: HfApi, config: PushConfig) -> str:
    """Checks that a policy may be pushed, and returns the repository's full name.

    Raises:
        HubError: If there is no token, or the repository holds something else.
    """
    if get_token() is None:
        raise HubError("no token for the hub: log in with `hf auth login`, or set HF_TOKEN")
    user = api.whoami()["name"]
    name = config.name if "/" in config.name else f"{user}/{config.name}"
    try:
        found = api.model_info(name)
    except RepositoryNotFoundError:
        return name
    if config.private and not found.private:
        raise HubError(f"{name} exists and is public: leave out --private, or choose another name")
    if config.revision is not None:
        # A branch that is missing will begin with what main holds.
        with suppress(RevisionNotFoundError):
            found = api.model_info(name, revision=config.revision)
    files = set(files_of(found))
    if POLICY_FILE not in files and (other := sorted(files - _HARMLESS)):
        raise HubError(
            f"{name} exists, holds {other[0]}{' and more' if other[1:] else ''} and is not a "
            "policy that was pushed: choose another name"
        )
    return name


def _fill(folder: Path, config: PushConfig, lineage: Lineage, name: str) -> None:
    """Writes everything that is pushed into a folder."""
    write_weights(lineage, folder, value_head=config.value_head)
    if config.eval_episodes:
        _evaluate(folder, config, lineage)
    write_card(
        lineage,
        folder,
        name,
        license=config.license,
        has_episode=bool(config.eval_episodes),
    )


def _evaluate(folder: Path, config: PushConfig, lineage: Lineage) -> None:
    """Evaluates the policy as it will be pulled, and draws the first episode."""
    quiet_transformers()
    from vlm_agent.models.policy import VLMPolicy

    policy = VLMPolicy.load(folder)
    first: list[Step] = []

    def keep(step: Step) -> None:
        if step.episode == 0:
            first.append(step)

    for number, (env, kwargs) in enumerate(lineage.environments):
        evaluation = evaluate(
            policy,
            env,
            episodes=config.eval_episodes,
            env_kwargs=kwargs,
            name=THIS,
            on_step=keep if number == 0 else None,
        )
        lineage.add(evaluation)
    save_episode(first, "The first episode of the evaluation", folder / EPISODE, limit=4)
