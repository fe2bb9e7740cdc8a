"""Sources of demonstrations: an expert, a person, a data set, or a mixture of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from vlm_agent.config.sft import SFTConfig
from vlm_agent.data.conversation_dataset import ConversationDataset
from vlm_agent.data.dataset_rows import open_rows
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.prefetch import Batch, DemonstrationSource
from vlm_agent.data.recordings import RecordedDemonstrator


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

    def batches(self, pictures: Iterable[bool]) -> Iterator[Batch]:
        """Yields a batch for each value, which says whether its pictures will be looked at."""
        needed = itertools.tee(pictures, len(self._sources))
        each = [source.batches(n) for source, n in zip(self._sources, needed, strict=True)]
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


def open_source(config: SFTConfig) -> tuple[Source, int]:
    """Returns the source of a run's demonstrations, and how many samples the run takes by default.

    Raises:
        FileNotFoundError: If there is no such file or data set.
        ImportError: If the data set needs a package that is not installed.
        ValueError: If what is there cannot be learned from.
    """
    if config.dataset is None:
        return _environment(config, config.batch_size), 4096
    dataset = ConversationDataset(
        open_rows(config.dataset, split=config.dataset_split, subset=config.dataset_subset),
        batch_size=config.from_dataset,
        seed=config.seed,
    )
    # A mixture has more samples than those that are from the data set.
    epoch = len(dataset) * config.batch_size / config.from_dataset
    samples = max(1, round(epoch * (config.epochs or 1)))
    if config.env is None:
        return dataset, samples
    rest = _environment(config, config.batch_size - config.from_dataset)
    return Mixture([dataset, rest]), samples


def _environment(config: SFTConfig, batch_size: int) -> Demonstrator | RecordedDemonstrator:
    env = str(config.env)
    if config.demonstrations is not None:
        return RecordedDemonstrator(
            config.demonstrations,
            env,
            batch_size=batch_size,
            successes_only=config.successes_only,
            cot=config.cot,
            seed=config.seed,
            history_length=config.history_length,
        )
    return Demonstrator(
        env,
        num_envs=batch_size,
        random_share=config.random_share,
        cot=config.cot,
        seed=config.seed,
        env_kwargs=config.env_kwargs,
        history_length=config.history_length,
        shown_share=config.shown_share,
    )
