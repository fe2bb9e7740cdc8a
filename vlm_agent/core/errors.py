"""Errors that several packages raise."""

from __future__ import annotations


class ProtocolError(ValueError):
    """An environment does not offer what the agent asks for."""


class NotWholeError(RuntimeError):
    """What is to be saved is spread over processes, and was not brought together."""
