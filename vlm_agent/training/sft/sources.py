"""Sources of demonstrations: an expert, a person, a data set, or a mixture of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training.environments import EnvSpec, spread
from vlm_agent.data.conversation_dataset import ConversationDataset
from vlm_agent.data.dataset_rows import open_rows
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.prefetch import Batch, DemonstrationSource, Wanted
from vlm_agent.data.recordings import RecordedDemonstrator

DEFAULT_SAMPLES = 4096
"""Demonstrations of an expert or a person that a run takes by default."""


class Source(DemonstrationSource, Protocol):
    """Batches of demonstrations, the same in all processes."""

    def close(self) -> None:
        """Closes environments and files."""
        ...


class Mixture:
    """Batches with a constant number of demonstrations from each of several sources.

    Args:
        sources: The sources.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[Batch]:
        """Yields a batch for each value, which says what of it will be looked at."""
        copies = itertools.tee(wanted, len(self._sources))
        each = [source.batches(copy) for source, copy in zip(self._sources, copies, strict=True)]
        for parts in zip(*each, strict=True):
            yield [item for part in parts for item in part]

    def state_dict(self) -> dict[str, Any]:
        """Returns the states of the sources."""
        return {"sources": [source.state_dict() for source in self._sources]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from the states of the sources."""
        for source, each in zip(self._sources, state["sources"], strict=True):
            source.load_state_dict(each)

    def close(self) -> None:
        """Closes the sources."""
        for source in self._sources:
            source.close()


def open_source(config: SFTConfig, specs: Sequence[EnvSpec]) -> tuple[Source, int]:
    """Returns the source of a run's demonstrations, and how many samples the run takes by default.

    Args:
        config: The options.
        specs: The environments, if there are any.

    Raises:
        FileNotFoundError: If there is no such file or data set.
        ImportError: If the data set needs a package that is not installed.
        ValueError: If what is there cannot be learned from.
    """
    if config.dataset is None:
        return _environments(config, specs, config.batch_size), DEFAULT_SAMPLES
    dataset = ConversationDataset(
        open_rows(config.dataset, split=config.dataset_split, subset=config.dataset_subset),
        batch_size=config.from_dataset,
        seed=config.seed,
    )
    # A mixture has more samples than those that are from the data set.
    epoch = len(dataset) * config.batch_size / config.from_dataset
    samples = max(1, round(epoch * (config.epochs or 1)))
    if not specs:
        return dataset, samples
    rest = _environments(config, specs, config.batch_size - config.from_dataset)
    return Mixture([dataset, rest]), samples


def places_of(config: SFTConfig, specs: Sequence[EnvSpec]) -> list[str | None]:
    """Returns the label of the environment of each demonstration in a batch.

    `None` is for those of a data set, and for all if there are not several environments.
    """
    if len(specs) < 2:
        return [None] * config.batch_size
    counts = _counts(specs, config.batch_size - config.from_dataset)
    own = [spec.label for spec, count in zip(specs, counts, strict=True) for _ in range(count)]
    return [None] * config.from_dataset + own


def _counts(specs: Sequence[EnvSpec], batch_size: int) -> list[int]:
    """Returns how many demonstrations of a batch are from each environment."""
    places = spread([spec.weight for spec in specs], batch_size, "batch_size")
    return [places.count(number) for number in range(len(specs))]


def _environments(config: SFTConfig, specs: Sequence[EnvSpec], batch_size: int) -> Source:
    if len(specs) == 1:
        return _environment(config, specs[0], batch_size, config.seed)
    counts = _counts(specs, batch_size)
    # The first has the seed that it has alone.
    seeds = [config.seed, *np.random.SeedSequence(config.seed).generate_state(len(specs) - 1)]
    return Mixture(
        [
            _environment(config, spec, count, int(seed))
            for spec, count, seed in zip(specs, counts, seeds, strict=True)
        ]
    )


def _environment(
    config: SFTConfig, spec: EnvSpec, batch_size: int, seed: int
) -> Demonstrator | RecordedDemonstrator:
    if config.demonstrations is not None:
        return RecordedDemonstrator(
            config.demonstrations,
            spec.name,
            batch_size=batch_size,
            successes_only=config.successes_only,
            cot=config.cot,
            seed=seed,
            history_length=config.history_length,
        )
    return Demonstrator(
        spec.make,
        num_envs=batch_size,
        random_share=config.random_share,
        detour_share=config.detour_share,
        cot=config.cot,
        seed=seed,
        history_length=config.history_length,
        history=config.history,
        shown_share=config.shown_share,
    )
