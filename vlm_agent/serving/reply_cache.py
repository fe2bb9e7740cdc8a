"""Cache of replies on disk, so that none is paid for twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ReplyCache:
    """File of answers by question, which several threads and processes may share.

    Args:
        path: The file; created if it does not exist.

    Raises:
        OSError: If the file cannot be created; methods raise it if it cannot be read or written.
        ValueError: If the file is not a cache.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._explaining_errors():
            # Autocommit: other processes wait for a statement at most this long.
            self._file = sqlite3.connect(
                self._path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS replies (question TEXT PRIMARY KEY, answer TEXT)"
            )

    def get(self, question: str) -> dict[str, Any] | None:
        """Returns the answer to a question, or `None`."""
        with self._lock, self._explaining_errors():
            row = self._file.execute(
                "SELECT answer FROM replies WHERE question = ?", (question,)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, question: str, answer: Mapping[str, Any]) -> None:
        """Stores an answer."""
        with self._lock, self._explaining_errors():
            self._file.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?)", (question, json.dumps(answer))
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @contextmanager
    def _explaining_errors(self) -> Iterator[None]:
        """Translates errors of SQLite."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(f"{self._path} cannot be used ({error}): name another file") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self._path} is not a cache of replies ({error}): name another file, or delete it"
            ) from error


def question_key(about: Mapping[str, Any]) -> str:
    """Returns a hash of everything that an answer depends on.

    Args:
        about: Plain values that can be written as JSON.
    """
    text = json.dumps(about, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
