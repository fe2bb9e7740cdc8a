"""Preparing observations: a processor's calls in bounded parts, in worker threads, remembered."""

from __future__ import annotations

import copy
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import RLock
from typing import Any, NamedTuple, cast

from vlm_agent.models.inputs.cache import (
    InputCache,
    Key,
    Prepared,
    PreparedPicture,
    PreparedPrompt,
    pack_row,
)
from vlm_agent.models.inputs.packing import Packer
from vlm_agent.models.inputs.rows import Row, split_rows

# Maximum size of the output of one call of a processor, unless a single observation's is larger.
CALL_BYTES = 2**24
_MAX_WORKERS = 4
# Number of observations that are held at once where only their tokens are wanted.
_WINDOW = 32


class PromptTooLongError(ValueError):
    """A prompt with its pictures is longer than the model can read."""


class _Ahead(NamedTuple):
    """An observation that is prepared ahead, in a call with others."""

    call: Future[list[Prepared]]
    place: int
    round: int

    def result(self) -> Prepared:
        return self.call.result()[self.place]


class Preparer:
    """Calls a processor for what is not remembered; several threads may use it.

    Args:
        processor: The model's processor.
        max_length: Maximum length of a prompt in tokens, or `None`.

    Attributes:
        cache: What is remembered.
        max_length: The same; it may be changed.
        processed: Number of observations, so far, that the processor was called for.
        lock: Held while the processor is used, whose tokenizer is not for two threads at once.
    """

    def __init__(self, processor: Any, max_length: int | None) -> None:
        self.cache = InputCache()
        self.max_length = max_length
        self.processed = 0
        self._reported = 0  # of the processed
        self._asked = 0
        self.lock = RLock()
        self._processor = processor
        self._packer = Packer(getattr(processor, "image_processor", None))
        self._row_bytes: dict[Any, int] = {}
        self._workers = min(_MAX_WORKERS, os.cpu_count() or 1)
        self._executor: ThreadPoolExecutor | None = None
        # Tokenizers must not be used by two threads at once.
        self._copies: SimpleQueue[Any] = SimpleQueue()
        self._ahead: dict[Key, _Ahead] = {}
        self._round = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, such as that of a deep-copied policy, remembers nothing and has no threads."""
        return _new, (self._processor, self.max_length, self.cache.capacity)

    def limit(self, gib: float) -> None:
        """Sets the maximum size of the memory, in GiB."""
        self.cache.resize(int(gib * 2**30))

    def prepare(self, keys: Sequence[Key]) -> list[Prepared]:
        """Returns the prepared inputs of observations.

        Raises:
            PromptTooLongError: If a prompt with its pictures is longer than the model can read.
        """
        with self.lock:
            return self._prepare(keys)

    def _prepare(self, keys: Sequence[Key]) -> list[Prepared]:
        self._asked += len(keys)
        found: dict[Key, Prepared] = {}
        missing: list[Key] = []
        for key in dict.fromkeys(keys):
            if key in self._ahead:
                found[key] = self._keep(*self._ahead.pop(key).result())
            elif (known := self._found(key)) is not None:
                found[key] = known
            else:
                missing.append(key)
        made, parts = self._calls(missing)
        if len(parts) == 1:
            made += self._process(self._processor, parts[0])
        else:
            for future in [self._begin(part) for part in parts]:
                made += future.result()
        for prompt, pictures in made:
            found[prompt.key] = self._keep(prompt, pictures)
        return [found[key] for key in keys]

    def prompts(self, keys: Sequence[Key]) -> Iterator[PreparedPrompt]:
        """Yields prepared prompts, whose pictures may not be remembered any more."""
        for start in range(0, len(keys), _WINDOW):
            window = keys[start : start + _WINDOW]
            with self.lock:
                found = {key: self.cache.prompt(key) for key in window}
                self._asked += len(found) - sum(prompt is None for prompt in found.values())
                missing = [key for key, prompt in found.items() if prompt is None]
                found.update((prompt.key, prompt) for prompt, _ in self.prepare(missing))
            yield from (cast(PreparedPrompt, found[key]) for key in window)

    def metrics(self) -> dict[str, float | None]:
        """Returns how well the memory served since the last call."""
        asked, processed = self._asked, self.processed - self._reported
        self._asked, self._reported = 0, self.processed
        return {
            "system/input_cache_hit_rate": 1 - processed / asked if asked else None,
            "system/input_cache_gib": self.cache.nbytes / 2**30,
        }

    def prefetch(self, keys: Sequence[Key], known: Callable[[bytes], bool]) -> None:
        """Begins to prepare, in worker threads, what is not remembered.

        Args:
            keys: The observations.
            known: Whether a picture with this digest is not needed.
        """
        with self.lock:
            self._prefetch(keys, known)

    def _prefetch(self, keys: Sequence[Key], known: Callable[[bytes], bool]) -> None:
        self._round += 1
        for key, item in list(self._ahead.items()):
            if item.round < self._round - 1:  # nobody asked for it
                del self._ahead[key]
        missing = [key for key in dict.fromkeys(keys) if self._is_missing(key, known)]
        made, parts = self._calls(missing)
        for prompt, pictures in made:
            self._keep(prompt, pictures)
        for part in parts:
            future = self._begin(part)
            self._ahead.update(
                (key, _Ahead(future, place, self._round)) for place, key in enumerate(part)
            )

    def _keep(self, prompt: PreparedPrompt, pictures: Sequence[PreparedPicture]) -> Prepared:
        self.processed += 1
        return self.cache.put(prompt, pictures)

    def _is_missing(self, key: Key, known: Callable[[bytes], bool]) -> bool:
        if key in self._ahead:
            return False
        if (prompt := self.cache.peek(key)) is None:
            return True
        return self.cache.pictures(prompt) is None and not all(map(known, prompt.pictures))

    def _found(self, key: Key) -> Prepared | None:
        if (prompt := self.cache.prompt(key)) is None:
            return None
        pictures = self.cache.pictures(prompt)
        return None if pictures is None else (prompt, pictures)

    def _calls(self, keys: Sequence[Key]) -> tuple[list[Prepared], list[list[Key]]]:
        """Divides observations into those of one call: with pictures of equal sizes, not too many.

        The size of the output is known only after a first observation with such pictures, for which
        the processor is called at once.

        Returns:
            Observations that were prepared on the way, and the rest, divided.
        """
        by_shapes: dict[Any, list[Key]] = defaultdict(list)
        for key in keys:
            by_shapes[_shapes(key)].append(key)
        made: list[Prepared] = []
        parts: list[list[Key]] = []
        for shapes, group in by_shapes.items():
            if shapes not in self._row_bytes:
                made += self._process(self._processor, group[:1])
                group = group[1:]
            size = max(1, CALL_BYTES // self._row_bytes[shapes])
            parts += [group[start : start + size] for start in range(0, len(group), size)]
        return made, parts

    def _begin(self, part: Sequence[Key]) -> Future[list[Prepared]]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._workers, "vlm-agent-inputs")
            for _ in range(self._workers):
                own = copy.copy(self._processor)
                own.tokenizer = copy.deepcopy(self._processor.tokenizer)
                self._copies.put(own)
        return self._executor.submit(self._process_in_worker, part)

    def _process_in_worker(self, part: Sequence[Key]) -> list[Prepared]:
        processor = self._copies.get()
        try:
            return self._process(processor, part)
        finally:
            self._copies.put(processor)

    def _process(self, processor: Any, part: Sequence[Key]) -> list[Prepared]:
        """Returns what a processor makes of observations with pictures of the same sizes."""
        rows = _rows(processor, part, self.max_length)
        self._row_bytes[_shapes(part[0])] = sum(value.nbytes for value in rows[0].values())
        return [pack_row(key, row, self._packer) for key, row in zip(part, rows, strict=True)]


def _new(processor: Any, max_length: int | None, capacity: int) -> Preparer:
    preparer = Preparer(processor, max_length)
    preparer.cache.resize(capacity)
    return preparer


def _rows(processor: Any, keys: Sequence[Key], max_length: int | None) -> list[Row]:
    """Returns the inputs of each observation; all have equally many pictures of the same sizes."""
    from PIL import Image

    prompts = [prompt for prompt, _ in keys]
    options: dict[str, Any] = {}
    if (begin := processor.tokenizer.bos_token) and prompts[0].startswith(begin):
        # The chat template writes the first token, and the tokenizer would write it again.
        options["add_special_tokens"] = False
    images = [[Image.fromarray(each.image) for each in pictures] for _, pictures in keys]
    inputs = processor(
        text=prompts,
        images=images if any(images) else None,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        **options,
    )
    length = inputs["input_ids"].shape[1]
    if max_length is not None and length > max_length:
        raise PromptTooLongError(
            f"a prompt of {length} tokens, pictures included, for a model with a context of at "
            f"most {max_length}: use a shorter history_length, a shorter description of "
            "the task, or a model with a longer context"
        )
    # Some processors add labels, for which a model would compute a loss.
    kept = {name: value for name, value in inputs.items() if name != "labels"}
    if (rows := split_rows(kept, len(keys))) is not None:
        return rows
    return [row for key in keys for row in _rows(processor, [key], max_length)]


def _shapes(key: Key) -> tuple[tuple[int, ...], ...]:
    return tuple(each.image.shape for each in key[1])
