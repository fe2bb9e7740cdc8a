"""The page docs/results.md: a text, with tables of the records in it."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.results.figures import save_figures
from benchmarks.results.records import Records
from benchmarks.results.tables import TABLES

TEMPLATE = Path(__file__).parent / "page.md"


def write_page(records: Path, docs: Path) -> None:
    """Writes the page and its figures.

    Args:
        records: File of records.
        docs: Folder of the documentation.
    """
    found = Records(records)
    save_figures(found, docs / "images")
    (docs / "results.md").write_text(text(found), encoding="utf-8")


def text(records: Records) -> str:
    """Returns the page: the template, with "{{ name }}" replaced by the table of that name.

    Raises:
        KeyError: If there is no such table.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: TABLES[match[1]](records), template)
