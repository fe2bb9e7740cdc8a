"""Counter of what searches cost, so that none takes minutes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from gym_cards.core.action_values import IntractableError

MAX_OPERATIONS = 4_000_000
"""A search that needs more operations on values than this is given up with an error.

By the published rules it suffices for four unused cards with up to twenty open brackets, and for
five if little is pending. With five or six it is exceeded if only a long formula reaches the
target, or none does, unless many cards are equal.
"""


class Work(NamedTuple):
    """Cost of a search that has ended.

    Attributes:
        operations: Its operations on values, without those of the tables.
        tables: The tables that it used, with the operations that make each.
    """

    operations: int
    tables: tuple[tuple[Hashable, int], ...]


class Meter:
    """Counter of operations.

    A table that searches share counts once for each meter, also if it was made before. What is too
    costly therefore does not depend on what was asked before.

    Args:
        most: The most operations; `MAX_OPERATIONS` if left out.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = MAX_OPERATIONS if most is None else most
        self._left = self.most
        self._operations = 0
        self._tables: dict[Hashable, int] = {}

    def count(self, operations: int) -> None:
        """Adds operations.

        Raises:
            IntractableError: If they are too many.
        """
        self._operations += operations
        self._take(operations)

    def has(self, table: Hashable) -> bool:
        """Returns whether a table was counted."""
        return table in self._tables

    def count_table(self, table: Hashable, operations: int) -> None:
        """Adds the operations that make a table, unless it was counted.

        Raises:
            IntractableError: If they are too many.
        """
        if table not in self._tables:
            self._tables[table] = operations
            self._take(operations)

    def add_table(self, table: Hashable, work: Work) -> None:
        """Adds the work of a table, unless it was counted, and of those that it is made from.

        Raises:
            IntractableError: If it is too much.
        """
        if table not in self._tables:
            for part, operations in work.tables:
                self.count_table(part, operations)
            self.count_table(table, work.operations)

    def work(self) -> Work:
        """Returns what was counted."""
        return Work(self._operations, tuple(self._tables.items()))

    def add(self, work: Work) -> None:
        """Adds what another meter counted.

        Raises:
            IntractableError: If it is too much.
        """
        self.count(work.operations)
        for table, operations in work.tables:
            self.count_table(table, operations)

    def _take(self, operations: int) -> None:
        self._left -= operations
        if self._left < 0:
            raise IntractableError(
                f"too many formulas are possible here: more than {self.most:,} operations would be "
                "needed; ask again with fewer cards unused or fewer brackets open"
            )
