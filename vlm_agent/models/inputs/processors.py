"""Loading a model's processor, also without a package that only its videos need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoProcessor, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

_VIDEO = "video_processor"


def has_processor(directory: Path) -> bool:
    """Returns whether a directory holds a processor, not only a tokenizer."""
    files = ("processor_config.json", "preprocessor_config.json")
    return any((directory / name).is_file() for name in files)


def load_processor(name: str, config: Any, *, trust_remote_code: bool = False) -> Any:
    """Loads the processor of a model from a directory or the hub.

    If it cannot be loaded because of its video processor, which needs torchvision, it is loaded
    without that: no environment shows videos.

    Args:
        name: Directory or hub name.
        config: The model's config, which decides the class of the processor.
        trust_remote_code: Whether to run code that comes with the processor.

    Raises:
        ImportError: If a package is missing that the processor needs for pictures.
        ValueError: If it comes with its own code, which is not trusted.
    """
    try:
        return AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
    except (ImportError, OSError, ValueError) as error:
        kind: Any = PROCESSOR_MAPPING.get(type(config), None)
        if kind is None or _VIDEO not in kind.get_attributes():
            raise _explained(error, name) from error
    try:
        return image_only(kind).from_pretrained(name, trust_remote_code=trust_remote_code)
    except ImportError as error:
        raise _explained(error, name) from error


def image_only(kind: Any) -> Any:
    """Returns a processor class without its video processor, under the same name.

    Args:
        kind: Subclass of `transformers.ProcessorMixin` with a video processor.
    """
    return type(
        kind.__name__,
        (kind, _ImagesOnly),  # between the class and ProcessorMixin in the resolution order
        {"__module__": kind.__module__, "__doc__": kind.__doc__},
    )


class _NoVideos:
    """Replaces a video processor; some chat templates read its settings."""

    num_frames = None
    fps = None


_Mixin: Any = ProcessorMixin  # its methods are not typed


class _ImagesOnly(_Mixin):  # type: ignore[misc]
    """Removes the video processor from the class that precedes it in the resolution order."""

    video_processor = _NoVideos()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        parts = dict(zip(super().get_attributes(), args, strict=False)) | kwargs
        parts.pop(_VIDEO, None)
        super().__init__(**parts)

    @classmethod
    def get_attributes(cls) -> list[str]:
        return [part for part in super().get_attributes() if part != _VIDEO]

    @classmethod
    def _get_arguments_from_pretrained(cls, *args: Any, **kwargs: Any) -> list[Any]:
        parts = super()._get_arguments_from_pretrained(*args, **kwargs)
        # The preceding class takes its parts by position.
        parts.insert(super().get_attributes().index(_VIDEO), None)
        return list(parts)


def untrusted_code_error(error: Exception, name: str) -> ValueError | None:
    """Returns an error to raise if transformers refused to run code, otherwise `None`."""
    if "trust_remote_code" not in str(error):
        return None
    return ValueError(
        f"{name} comes with its own Python code, which was not run: add --trust-remote-code if you "
        "trust its authors"
    )


def _explained(error: Exception, name: str) -> Exception:
    """Returns an error that says what to do, if that is known, otherwise the same one."""
    if (refused := untrusted_code_error(error, name)) is not None:
        return refused
    if isinstance(error, ImportError):
        for package in ("torchvision", "num2words", "sentencepiece"):
            if package in str(error).lower():
                return ImportError(
                    f"the processor of {name} needs {package}, which is not installed: "
                    f"pip install {package}"
                )
    return error
