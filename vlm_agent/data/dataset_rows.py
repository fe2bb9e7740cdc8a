"""Rows of data sets: JSON files, folders of pictures, and what the library `datasets` reads.

JSON and folders are read here. Parquet files, data sets saved by `datasets`, and those of a hub
need that package.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from vlm_agent.data.conversations import PICTURE_COLUMNS, DatasetError

_METADATA = "metadata.jsonl"
_JSON = (".json", ".jsonl")
_SUFFIXES = (*_JSON, ".parquet")
_SAVED = ("dataset_info.json", "dataset_dict.json")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Rows(Protocol):
    """Rows of a data set, read one by one.

    Attributes:
        folder: Folder that paths are relative to; `None` if there must be none.
        signature: Changes with the data set.
    """

    folder: Path | None
    signature: str

    def __len__(self) -> int:
        """Returns the number of rows."""
        ...

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Returns a row."""
        ...

    def texts(self, index: int) -> tuple[Mapping[str, Any], bool]:
        """Returns a row, perhaps without its columns of pictures, and whether it has them."""
        ...

    def place(self, index: int) -> str:
        """Returns the name of a row, for error messages."""
        ...


def open_rows(name: str, *, split: str = "train", subset: str | None = None) -> Rows:
    """Opens a data set.

    Args:
        name: A file (.json, .jsonl or .parquet), a directory, or a name on the Hugging Face hub.
        split: Split of a data set that has several.
        subset: Subset of a data set that has several, on the hub.

    Raises:
        FileNotFoundError: If there is no such file or directory.
        DatasetError: If it holds no rows, a file is no JSON, or it has no splits or subsets to
            choose from.
        ImportError: If `datasets` is needed, but not installed.
    """
    path = Path(name)
    if path.is_file():
        _check_choice(name, "a single file", split=split, subset=subset)
        if path.suffix in _JSON:
            return FileRows([path])
        if path.suffix == ".parquet":
            data = _library(name).load_dataset("parquet", data_files=name, split="train")
            return LibraryRows(data, name, [path])
        raise DatasetError(f"{path} is no data set: expected a .json, .jsonl or .parquet file")
    if path.is_dir():
        if any((path / each).is_file() for each in _SAVED):
            _check_choice(name, "saved by `datasets`", subset=subset)
            return _from_disk(path, split)
        if files := _json_files(path, split):
            _check_choice(name, "a directory of JSON files", subset=subset)
            return FileRows(files)
    elif path.suffix in _SUFFIXES or not _HUB_NAME.fullmatch(name):
        raise FileNotFoundError(f"no data set {name}: expected a file, a directory or a hub name")
    elif len(path.parts) > 1 and Path(path.parts[0]).is_dir():
        raise FileNotFoundError(
            f"no data set {name}: there is a directory {path.parts[0]}, without {path.parts[1]}. "
            "For a data set of a hub with this name, start elsewhere"
        )
    data = _library(name).load_dataset(name, subset, split=split)
    files = sorted(each for each in path.rglob("*.parquet") if each.is_file())
    return LibraryRows(data, name, files)


class FileRows:
    """Rows of JSON files: a list in each, or a row on each line (.jsonl).

    Args:
        files: The files, in one folder.

    Raises:
        DatasetError: If there are no rows, or a file is no JSON.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.folder: Path | None = files[0].parent
        digest = hashlib.sha256()
        # The row itself, or where its line begins.
        self._rows: list[tuple[Path, int, Any]] = []
        for file in files:
            if file.suffix == ".jsonl":
                self._index_lines(file, digest)
            else:
                data = file.read_bytes()
                digest.update(data)
                self._rows += [(file, n, row) for n, row in enumerate(_list_in(file, data), 1)]
        if not self._rows:
            raise DatasetError(f"{', '.join(map(str, files))}: no rows to learn from")
        self.signature = digest.hexdigest()

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._rows)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Returns a row."""
        file, _, row = self._rows[index]
        if isinstance(row, int):
            with file.open("rb") as lines:
                lines.seek(row)
                try:
                    row = json.loads(lines.readline())
                except ValueError as error:
                    raise DatasetError(f"{self.place(index)} is no JSON: {error}") from None
        if not isinstance(row, Mapping):
            raise DatasetError(f"{self.place(index)} is {row!r:.80}: expected an object")
        return row

    def texts(self, index: int) -> tuple[Mapping[str, Any], bool]:
        """Returns a row, whose pictures are mostly paths, and True."""
        return self[index], True

    def place(self, index: int) -> str:
        """Returns the file and the number of the row or line."""
        file, number, row = self._rows[index]
        return f"{file}, {'line' if isinstance(row, int) else 'row'} {number}"

    def _index_lines(self, file: Path, digest: Any) -> None:
        begin = 0
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                digest.update(line)
                if line.strip():
                    self._rows.append((file, number, begin))
                begin += len(line)


class LibraryRows:
    """Rows of a data set of the library `datasets`.

    Args:
        data: The `datasets.Dataset`.
        name: Its name, for error messages.
        files: Local files that it was read from, if there are any.

    Raises:
        DatasetError: If there are no rows.
    """

    folder: Path | None = None

    def __init__(self, data: Any, name: str, files: Sequence[Path] = ()) -> None:
        if not len(data):
            raise DatasetError(f"{name}: no rows to learn from")
        self._data = data
        kept = [column for column in data.column_names if column not in PICTURE_COLUMNS]
        # Without pictures, which take long to read.
        self._texts = data.select_columns(kept) if kept else data
        self._name = name
        # The library's own fingerprint changes where a file was only written again.
        parts = [_digest(file) for file in files] or [data._fingerprint]
        described = f"{len(data)} {data.features} {' '.join(parts)}"
        self.signature = hashlib.sha256(described.encode()).hexdigest()

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._data)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Returns a row, with its pictures decoded."""
        row: Mapping[str, Any] = self._data[index]
        return row

    def texts(self, index: int) -> tuple[Mapping[str, Any], bool]:
        """Returns a row without its pictures, and False."""
        return self._texts[index], False

    def place(self, index: int) -> str:
        """Returns the name of the data set and the number of the row."""
        return f"{self._name}, row {index + 1}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _list_in(file: Path, data: bytes) -> list[Any]:
    try:
        rows = json.loads(data)
    except ValueError as error:
        raise DatasetError(f"{file} is no JSON: {error}") from None
    if not isinstance(rows, list):
        raise DatasetError(f"{file} holds a {type(rows).__name__}: expected a list of rows")
    return rows


def _check_choice(name: str, what: str, *, split: str = "train", subset: str | None = None) -> None:
    """Refuses a split or subset where there is none to choose.

    Raises:
        DatasetError: If one is given.
    """
    for option, value, usual in (("split", split, "train"), ("subset", subset, None)):
        if value != usual:
            raise DatasetError(
                f"dataset_{option}={value!r} with {name}, which is {what} and has no {option}s: "
                f"leave it out, or name a data set that has {option}s"
            )


def _json_files(folder: Path, split: str) -> list[Path]:
    """Returns the JSON files of a directory that hold a split, empty if it has none at all."""
    if (folder / _METADATA).is_file():
        _check_choice(str(folder), f"a folder of pictures with one {_METADATA}", split=split)
        return [folder / _METADATA]
    if (folder / split / _METADATA).is_file():
        return [folder / split / _METADATA]
    files = sorted(path for path in folder.iterdir() if path.suffix in _JSON)
    named = [path for path in files if path.stem.startswith(split)]
    # A single file holds all there is, whatever its name, unless a split is asked for.
    if files and not named and (len(files) > 1 or split != "train"):
        raise DatasetError(
            f"{folder} holds {', '.join(path.name for path in files)}, and none of them is named "
            f"for the split {split}: give one of them, or another --dataset-split"
        )
    return named or files


def _library(name: str) -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise ImportError(
            f"reading {name} needs the package `datasets`; run: pip install datasets"
        ) from None
    return datasets


def _from_disk(folder: Path, split: str) -> LibraryRows:
    data = _library(str(folder)).load_from_disk(str(folder))
    if isinstance(data, Mapping):
        if split not in data:
            raise DatasetError(
                f"{folder} has the splits {', '.join(data)}: give one of them as --dataset-split"
            )
        data = data[split]
    else:
        _check_choice(str(folder), "a data set without splits", split=split)
    return LibraryRows(data, str(folder), [Path(each["filename"]) for each in data.cache_files])
