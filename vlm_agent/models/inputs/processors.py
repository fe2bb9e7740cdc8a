"""Reading a model's processor, also where a package that only its videos need is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoProcessor, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

_VIDEO = "video_processor"


def holds_processor(directory: Path) -> bool:
    """Whether a directory holds a processor, and not only a tokenizer or nothing of it."""
    files = ("processor_config.json", "preprocessor_config.json")
    return any((directory / name).is_file() for name in files)


def load_processor(name: str, config: Any, *, trust_remote_code: bool = False) -> Any:
    """Reads the processor of a model from a directory or a hub.

    Where it cannot be read because of the part for videos, which needs torchvision, the processor
    without that part is read instead: no environment shows videos.

    Args:
        name: A directory or a hub name.
        config: The model's config, which tells its kind of processor.
        trust_remote_code: Run the code that comes with the processor.

    Raises:
        ImportError: If a package is missing that the processor needs for pictures.
        ValueError: If it brings code of its own, and that is not to be trusted.
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
    """A processor class without its part for videos, under the same name.

    Args:
        kind: A subclass of `transformers.ProcessorMixin` with a part for videos.
    """
    return type(
        kind.__name__,
        (kind, _ImagesOnly),  # so that what the class hands on to ProcessorMixin comes by here
        {"__module__": kind.__module__, "__doc__": kind.__doc__},
    )


class _NoVideos:
    """Stands where the part for videos would: some chat templates ask it for its settings."""

    num_frames = None
    fps = None


_Mixin: Any = ProcessorMixin  # whose methods have no types


class _ImagesOnly(_Mixin):  # type: ignore[misc]
    """Takes the part for videos out of the processor class that it stands behind."""

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
        # The class that this stands behind takes its parts by place.
        parts.insert(super().get_attributes().index(_VIDEO), None)
        return list(parts)


def of_untrusted_code(error: Exception, name: str) -> ValueError | None:
    """What to say where an error of transformers is that code would have to be run."""
    if "trust_remote_code" not in str(error):
        return None
    return ValueError(
        f"{name} brings Python code of its own, which was not run: add --trust-remote-code if you "
        "trust its authors"
    )


def _explained(error: Exception, name: str) -> Exception:
    """An error as one line that says what to do about it, where that is known."""
    if (refused := of_untrusted_code(error, name)) is not None:
        return refused
    if isinstance(error, ImportError):
        for package in ("torchvision", "num2words", "sentencepiece"):
            if package in str(error).lower():
                return ImportError(
                    f"the processor of {name} needs {package}, which is not installed: "
                    f"pip install {package}"
                )
    return error
