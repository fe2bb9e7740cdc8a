"""Import of the household games' optional packages without their side effects."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled

_LOCK = threading.Lock()
_MISSING = (
    "the household games need the packages alfworld and textworld, which are not installed: "
    'run `pip install "gym-cards[alfworld]"`, which needs a C++ compiler and make'
)

DEFAULT_DATA = Path("~/.cache/alfworld")
"""The folder where alfworld keeps its data if ALFWORLD_DATA is not set."""


@lru_cache(maxsize=1)
def package_folder() -> Path:
    """Returns the folder of the installed alfworld package without importing it.

    Raises:
        DependencyNotInstalled: If it is missing.
    """
    spec = importlib.util.find_spec("alfworld")
    if spec is None or spec.origin is None:
        raise DependencyNotInstalled(_MISSING)
    return Path(spec.origin).parent


def named_data() -> str | None:
    """Returns what the variable ALFWORLD_DATA names, or `None` if it is not set."""
    # An import that another thread has begun sets the variable for as long as it takes.
    with _LOCK:
        return os.environ.get("ALFWORLD_DATA")


@lru_cache(maxsize=32)
def load(name: str) -> ModuleType:
    """Imports a module of alfworld or of its dependencies.

    Importing alfworld normally creates the folder that ALFWORLD_DATA names, by default one in the
    home directory, and sets the variable, and textworld draws from NumPy's global generator. None
    of this happens here.

    Raises:
        DependencyNotInstalled: If it is missing.
    """
    with _LOCK:
        given, drawn = os.environ.get("ALFWORLD_DATA"), np.random.get_state()
        try:
            if given is None:
                # A folder that exists, so that none is created.
                os.environ["ALFWORLD_DATA"] = str(package_folder())
            first = "alfworld" not in sys.modules
            modules: list[Any] = [importlib.import_module(n) for n in ("alfworld", "alfworld.info")]
            for module in modules if first and given is None else ():
                module.ALFWORLD_DATA = str(DEFAULT_DATA.expanduser())
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in ("alfworld", "textworld", "fast_downward"):
                raise DependencyNotInstalled(_MISSING) from error
            raise
        finally:
            np.random.set_state(drawn)
            if given is None:
                os.environ.pop("ALFWORLD_DATA", None)
