"""Whether results that were run again agree with those of the page."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results.jobs import Job
from benchmarks.results.records import Records, Seeds


def disagreements(again: Records, kept: Records, jobs: Sequence[Job]) -> list[str]:
    """Prints each evaluation beside the page's, and returns the names of those that disagree.

    A training on another machine rounds differently, and so becomes another policy: it agrees if
    the 95% interval of its success overlaps the range of the page's seeds.

    Args:
        again: Records of what was run again.
        kept: Records of the page.
        jobs: The jobs to compare; those that are not evaluations, or have no record in both, are
            left out.

    Raises:
        ValueError: If no job is left.
    """
    found, compared = [], 0
    for job in jobs:
        new, old = again.seeds(job.name) if job.is_evaluation else None, kept.seeds(every_seed(job))
        if new is None or old is None:
            continue
        compared += 1
        agrees = _overlap(new, old)
        low, high = min(old.rates), max(old.rates)
        verdict = "" if agrees else "  DISAGREES"
        print(f"{job.name:36} {new.mean:6.1%}   page: {low:.1%} to {high:.1%}{verdict}")
        if not agrees:
            found.append(job.name)
    if not compared:
        raise ValueError("nothing to compare: none of these jobs has both a result and a record")
    return found


def every_seed(job: Job) -> str:
    """Returns the name of a job with "*" in place of its seed, if its last part begins with one."""
    place, _, last = job.name.rpartition("/")
    seed, _, rest = last.partition("-")
    return f"{place}/*{'-' if rest else ''}{rest}" if seed.isdigit() else job.name


def _overlap(new: Seeds, old: Seeds) -> bool:
    low, high = new.interval
    return low <= max(old.rates) and min(old.rates) <= high
