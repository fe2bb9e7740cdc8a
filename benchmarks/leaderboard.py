"""Makes docs/leaderboard.md of the records in docs/leaderboard.

    python benchmarks/leaderboard.py            # writes the page
    python benchmarks/leaderboard.py --check    # only says whether it is up to date

Records that do not belong into it are named with the reasons, and nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vlm_agent.evaluation.benchmark import read_record
from vlm_agent.evaluation.benchmark.leaderboard import leaderboard_page

DOCS = Path(__file__).parents[1] / "docs"
PAGE, RECORDS = DOCS / "leaderboard.md", DOCS / "leaderboard"


def page() -> str:
    """Returns the page as it should be."""
    return leaderboard_page(
        {path.name: read_record(path) for path in sorted(RECORDS.glob("*.json"))}
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Writes or checks the page, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(argv)
    try:
        text = page()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"saved {PAGE}")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is not what the records say: run python benchmarks/leaderboard.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
