"""Errors that several packages raise."""

from __future__ import annotations


class ProtocolError(ValueError):
    """An environment does not follow the agent protocol."""


class NotWholeError(RuntimeError):
    """The weights to save are sharded over processes and were not gathered."""


class EngineError(RuntimeError):
    """An engine cannot do what it is asked for, does not answer, or does something else."""
