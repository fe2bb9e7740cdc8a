"""Options of the command report."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.options import Options
from vlm_agent.config.values import NonEmpty, NonNegativeInt, PathText, Positional


@dataclass
class ReportConfig(Options):
    """Writes runs, evaluations and recorded episodes into one HTML page that works offline.

    Args: Report
        run: Directories of runs, folders of recorded episodes, evaluation files, or directories
            that hold any of these; or names of policies in the package.
        out: Where to write the page: a file that ends in .html, or a directory for an index.html.
        title: Title of the page.
        episodes: Maximum number of recorded episodes to show for each policy and environment,
            evenly spread.
    """

    run: Positional[NonEmpty[PathText]]
    out: PathText = "report"
    title: str = "Agent report"
    episodes: NonNegativeInt = 40
