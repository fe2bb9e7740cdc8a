"""The hub's client, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import ModelInfo, constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

# The base class of what the client's HTTP library raises; that library depends on the release.
_TransportError: type[Exception] = HfHubHTTPError.__bases__[0]


class HubError(ValueError):
    """Something cannot be pushed to the hub or pulled from it."""


@contextmanager
def hub_errors(name: str, revision: str | None = None) -> Iterator[None]:
    """Turns what the client raises into a `HubError`.

    Args:
        name: Name of the repository, for the message.
        revision: Its revision, if one was given.
    """
    where = constants.ENDPOINT
    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{name!r} is no name on the hub: expected USER/NAME ({error})") from error
    except RevisionNotFoundError as error:
        raise HubError(f"{name} has no revision {revision!r} on {where}") from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"there is no {name} on {where}, or it is private: check the name, or log in with "
            "`hf auth login`"
        ) from error
    except HfHubHTTPError as error:
        raise HubError(_explained(error, name, where)) from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"HF_HUB_OFFLINE is set, and {name} is on {where}: unset it") from error
    except (_TransportError, ConnectionError) as error:
        raise HubError(f"{where} cannot be reached ({error}): check the network") from error


def files_of(info: ModelInfo) -> list[str]:
    """Returns the names of all files of a repository."""
    return [each.rfilename for each in info.siblings or ()]


def _explained(error: HfHubHTTPError, name: str, where: str) -> str:
    status = getattr(error.response, "status_code", None)
    if status == 401:
        return f"{where} does not accept the token: log in again with `hf auth login`"
    if status == 403:
        return f"the token may not write to {name}: choose a name of your own, or another token"
    return f"{where} refused {name}: {error}"
