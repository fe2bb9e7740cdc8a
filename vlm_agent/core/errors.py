"""Errors that several packages raise."""

from __future__ import annotations


class ProtocolError(ValueError):
    """An environment does not offer what the agent asks for."""


class NotWholeError(RuntimeError):
    """The weights to save are sharded over processes and were not gathered."""
