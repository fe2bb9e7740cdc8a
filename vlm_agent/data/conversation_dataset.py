"""Batches of replies from the conversations of a data set, in random order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.types import Demonstration
from vlm_agent.data.conversations import DatasetError, read_conversation
from vlm_agent.data.dataset_rows import Rows


@dataclass(frozen=True)
class Sample:
    """One reply of a data set, whose pictures have not been read.

    Attributes:
        rows: The data set.
        row: Index of the row.
        turn: Index of the message to be learned.
    """

    rows: Rows
    row: int
    turn: int

    @property
    def place(self) -> str:
        """The row and message, for error messages."""
        return f"{self.rows.place(self.row)}, message {self.turn + 1}"

    def load(self) -> Demonstration:
        """Returns the reply and what precedes it.

        Raises:
            DatasetError: If a picture is missing or cannot be read.
        """
        row = self.rows[self.row]
        conversation = read_conversation(row, self.rows.place(self.row), self.rows.folder)
        return conversation.demonstration(self.turn)


class ConversationDataset:
    """Draws the replies of a data set endlessly; each pass has a new order.

    Args:
        rows: The data set. All rows are checked, except for pictures that take long to read.
        batch_size: Number of replies per batch.
        seed: Random seed of the order.

    Raises:
        DatasetError: If a row cannot be learned from.
    """

    def __init__(self, rows: Rows, *, batch_size: int = 16, seed: int = 0) -> None:
        self.batch_size = batch_size
        self._rows = rows
        self._seed = seed
        self._drawn = 0
        turns = []
        for index in range(len(rows)):
            row, has_pictures = rows.texts(index)
            read = read_conversation(row, rows.place(index), rows.folder, has_pictures=has_pictures)
            read.check_files()
            turns += [(index, turn) for turn in read.turns]
        self._turns = np.array(turns)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        """Returns the number of replies."""
        return len(self._turns)

    def __iter__(self) -> Iterator[list[Sample]]:
        """Yields batches endlessly."""
        return self.batches(itertools.repeat("pictures"))

    def batches(self, wanted: Iterable[object]) -> Iterator[list[Sample]]:
        """Yields a batch for each value; pictures are read only when a sample is loaded."""
        for _ in wanted:
            start = self._drawn * self.batch_size
            self._drawn += 1
            yield [self._sample(number) for number in range(start, start + self.batch_size)]

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of batches so far, and what tells whether the data set changed."""
        return {"drawn": self._drawn, "signature": self._rows.signature}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resumes from the result of `state_dict`.

        Raises:
            DatasetError: If the data set has changed.
        """
        if state["signature"] != self._rows.signature:
            raise DatasetError(
                f"the data set of {self._rows.place(0)} has changed since the checkpoint was "
                "written: restore it"
            )
        self._drawn = state["drawn"]

    def close(self) -> None:
        """Does nothing: rows are opened one by one."""

    def _sample(self, number: int) -> Sample:
        epoch, place = divmod(number, len(self))
        if self._order[0] != epoch:
            rng = np.random.default_rng([self._seed, epoch])
            self._order = (epoch, rng.permutation(len(self)))
        row, turn = map(int, self._turns[self._order[1][place]])
        return Sample(self._rows, row, turn)
