"""Errors of engines."""


class EngineError(RuntimeError):
    """An engine cannot do what it is asked for, does not answer, or does something else."""
