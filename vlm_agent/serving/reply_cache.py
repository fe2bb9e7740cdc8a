"""Replies that were paid for, kept on the disk."""

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
    """A file of answers by what was asked; several threads and processes may share it.

    Args:
        path: The file; made if need be.

    Raises:
        OSError: If it cannot be made; so do its methods, if it cannot be read or written.
        ValueError: If there is a file that is something else.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._telling():
            # Each statement is on the disk when it is done; others wait for it, this long at most.
            self._file = sqlite3.connect(
                self._path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS replies (question TEXT PRIMARY KEY, answer TEXT)"
            )

    def get(self, question: str) -> dict[str, Any] | None:
        """The answer to a question, if it is known."""
        with self._lock, self._telling():
            row = self._file.execute(
                "SELECT answer FROM replies WHERE question = ?", (question,)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, question: str, answer: Mapping[str, Any]) -> None:
        """Keeps an answer."""
        with self._lock, self._telling():
            self._file.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?)", (question, json.dumps(answer))
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Says what a file's errors mean."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(f"{self._path} cannot be used ({error}): name another file") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self._path} holds no replies ({error}): name another file, or remove it"
            ) from error


def question_key(about: Mapping[str, Any]) -> str:
    """A hash of everything that an answer depends on.

    Args:
        about: As plain values.
    """
    text = json.dumps(about, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
