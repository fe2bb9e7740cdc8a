"""Reading a model's processor, also where a package that only its videos need is missing."""

from __future__ import annotations

from typing import Any

from transformers import AutoProcessor
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

_VIDEO = "video_processor"


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
    """
    try:
        return AutoProcessor.from_pretrained(name, trust_remote_code=trust_remote_code)
    except (ImportError, OSError, ValueError) as error:
        kind: Any = PROCESSOR_MAPPING.get(type(config), None)
        if kind is None or _VIDEO not in kind.get_attributes():
            raise _explained(error, name) from error
    try:
        return image_only(kind).from_pretrained(name)
    except ImportError as error:
        raise _explained(error, name) from error


class _NoVideos:
    """Stands where the part for videos would: some chat templates ask it for its settings."""

    num_frames = None
    fps = None


def image_only(kind: Any) -> Any:
    """A processor class without its part for videos, under the same name.

    Args:
        kind: A subclass of `transformers.ProcessorMixin` whose last part is for videos.
    """

    def without_video(cls: Any) -> list[str]:
        return [part for part in kind.get_attributes() if part != _VIDEO]

    def read_parts(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        # The class below is given a place for the part that its constructor may insist on.
        parts = super(subclass, cls)._get_arguments_from_pretrained(*args, **kwargs)
        return [*parts, None]

    subclass: Any = type(
        kind.__name__,
        (kind,),
        {
            "get_attributes": classmethod(without_video),
            "_get_arguments_from_pretrained": classmethod(read_parts),
            _VIDEO: _NoVideos(),
            "__module__": kind.__module__,
            "__doc__": kind.__doc__,
        },
    )
    return subclass


def _explained(error: Exception, name: str) -> Exception:
    """An import error as one line that says what to install; any other error as it is."""
    if isinstance(error, ImportError):
        for package in ("torchvision", "num2words", "sentencepiece"):
            if package in str(error).lower():
                return ImportError(
                    f"the processor of {name} needs {package}, which is not installed: "
                    f"pip install {package}"
                )
    return error
