"""Errors that several packages raise."""

from __future__ import annotations


class ProtocolError(ValueError):
    """An environment does not follow the agent protocol."""


class NotWholeError(RuntimeError):
    """The weights to save are sharded over processes and were not gathered."""
