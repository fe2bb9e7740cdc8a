"""Pulling a policy from the hub."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

from vlm_agent.config.commands import PullConfig
from vlm_agent.core.run_directory import METRICS_FILE, POLICY_FILE, POLICY_FILES
from vlm_agent.reporting.hub.card import CURVE, EPISODE
from vlm_agent.reporting.hub.client import HubError, files_of, hub_errors
from vlm_agent.reporting.hub.folder import CARD

# Where the client notes what it has downloaded, so that an interrupted download can continue.
_NOTES = Path(".cache") / "huggingface"


def pull(config: PullConfig) -> Path:
    """Downloads a policy: only weights in safetensors, and files of plain values.

    An interrupted download continues when it is repeated.

    Returns:
        The directory that it was written to.

    Raises:
        FileExistsError: If the directory is not empty.
        HubError: If the hub has no such policy, or cannot be reached.
    """
    out = Path(str(config.out))
    if out.exists() and any(out.iterdir()) and not _is_begun(out):
        raise FileExistsError(f"{out} is not empty: give another directory after {config.name}")
    with hub_errors(config.name, config.revision):
        files = files_of(HfApi().model_info(config.name, revision=config.revision))
        if POLICY_FILE not in files:
            raise HubError(
                f"{config.name} holds no {POLICY_FILE}, so it is not a policy that was pushed; "
                "--policy and --model take any vision-language model by its name"
            )
        if not any(file.endswith(".safetensors") for file in files):
            raise HubError(
                f"{config.name} holds no weights in safetensors, and pickled ones are not "
                "downloaded: expected a policy that `vlm-agent push` has pushed"
            )
        wanted = [*POLICY_FILES, METRICS_FILE, CARD, CURVE, EPISODE]
        snapshot_download(
            config.name, revision=config.revision, local_dir=out, allow_patterns=wanted
        )
    shutil.rmtree(out / _NOTES)
    with suppress(OSError):  # another program has put something there
        (out / _NOTES).parent.rmdir()
    return out


def _is_begun(out: Path) -> bool:
    """Returns whether a directory is that of a download, and not one with a user's own cache."""
    notes = out / _NOTES
    return (notes / "download").is_dir() and list(notes.parent.iterdir()) == [notes]
