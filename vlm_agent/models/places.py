"""The place of a model: a directory, the package, or the hub, which is asked for it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from transformers.utils.hub import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from vlm_agent.core.run_directory import POLICY_FILE, POLICY_FILES, is_local_path, policy_place
from vlm_agent.models import lora

_CONFIG = "config.json"
# The base class of what the client's HTTP library raises; that library depends on the release.
_TransportError: type[Exception] = HfHubHTTPError.__bases__[0]


def find_model(name: str, *, weights: bool = True) -> str:
    """Returns the place of a model, and downloads it if it is an adapter or a policy on the hub.

    Pickled weights of either are not downloaded.

    Args:
        name: Directory, name of a policy in the package, or hub name.
        weights: Whether to download the weights, too.

    Returns:
        The directory of an adapter or policy on the hub, or of a packaged policy, or else the name
        unchanged.

    Raises:
        FileNotFoundError: If no model can have this name.
    """
    name = policy_place(name)
    check_name(name)
    if Path(name).is_dir():
        return name
    policy = cached_file(name, POLICY_FILE, _raise_exceptions_for_missing_entries=False)
    if policy is None and find_adapter_config_file(name) is None:
        return name
    patterns = [each for each in POLICY_FILES if weights or not each.endswith(".safetensors")]
    return snapshot_download(name, allow_patterns=patterns)


def check_name(name: str) -> None:
    """Checks that a name may be that of a model, without asking the hub.

    Raises:
        FileNotFoundError: If it is a directory without a model, or a path that does not exist.
        ValueError: If it is the name of the embedded model, which has to be built first.
    """
    directory = Path(policy_place(name))
    if directory.is_dir():
        if not lora.is_adapter(directory) and not (directory / _CONFIG).is_file():
            raise FileNotFoundError(
                f"{directory} holds no config.json: expected a directory written by "
                "`VLMPolicy.save` or `save_pretrained`"
            )
    elif name == "tiny":
        raise ValueError(
            "'tiny' is built by `vlm-agent sft --model tiny`: give the directory that it wrote"
        )
    elif is_local_path(name):
        raise FileNotFoundError(
            f"no directory {name}: expected a saved policy, a model, or the name of one on the "
            "hub, whose first word must not be a local folder"
        )


@contextmanager
def asking_hub(name: str) -> Iterator[None]:
    """Asks the hub whether it has a model, if only the hub can have it, before it is loaded inside.

    If the hub cannot be reached, a model in its cache is loaded from there: nothing inside asks the
    hub again, which would retry for each file that the model does not have.

    Args:
        name: Directory, name of a policy in the package, or hub name.

    Raises:
        ConnectionError: If the hub cannot be reached and its cache does not hold the model.
        FileNotFoundError: If no model can have this name, or the hub has none.
        ValueError: As for `check_name`.
    """
    check_name(name)
    if Path(policy_place(name)).is_dir() or _is_reachable(name):
        yield
        return
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_reachable(name: str) -> bool:
    """Returns whether the hub answers; if not, its cache holds the model.

    Raises:
        ConnectionError, FileNotFoundError: As for `asking_hub`.
    """
    missing = f"there is no directory {name} here, and"
    try:
        _request(name)
    except HFValidationError as error:
        raise FileNotFoundError(
            f"{missing} that is no name on the hub, which are ORGANISATION/MODEL: check the path"
        ) from error
    except GatedRepoError:
        return True  # loading explains it
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{missing} {constants.ENDPOINT} has no model of that name, or it is private: check "
            "the path or name, or log in with `hf auth login`"
        ) from error
    except (HfHubHTTPError, _TransportError, OfflineModeIsEnabled) as error:
        if isinstance(error, HfHubHTTPError) and not _is_busy(error):
            return True  # an adapter without a config, or what loading explains
        if _is_cached(name):
            return False
        if isinstance(error, OfflineModeIsEnabled):
            raise ConnectionError(
                f"{missing} HF_HUB_OFFLINE is set and the hub's cache in "
                f"{constants.HF_HUB_CACHE} does not hold a model of that name: check the path or "
                "name, or unset HF_HUB_OFFLINE"
            ) from error
        raise ConnectionError(
            f"{missing} {constants.ENDPOINT}, which may have a model of that name, cannot be "
            f"reached ({error}): check the path or name, or the network"
        ) from error
    return True


def _request(name: str) -> None:
    """Asks for the config of a model, once: downloading would try for half a minute for each file.

    Only a hub that answers that it is busy is asked again, after the pauses of its client.
    """
    url = hf_hub_url(name, _CONFIG)
    try:
        get_hf_file_metadata(url)
    except HfHubHTTPError as error:
        if not _is_busy(error):
            raise
        get_hf_file_metadata(url, retry_on_errors=True)


def _is_busy(error: HfHubHTTPError) -> bool:
    return error.response.status_code == 429 or error.response.status_code >= 500


def _is_cached(name: str) -> bool:
    files = (_CONFIG, lora.ADAPTER_CONFIG_FILE)
    return any(isinstance(try_to_load_from_cache(name, file), str) for file in files)
