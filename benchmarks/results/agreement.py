"""Whether results that were run again agree with those of the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchmarks.results.jobs import Job
from benchmarks.results.records import Records, Seeds

# Student's t of 95% for this many seeds; more are treated as six.
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57}


def disagreements(again: Records, kept: Records, jobs: Sequence[Job]) -> list[str]:
    """Prints new evaluations next to those of the page, and returns the names that disagree.

    A training on another machine rounds differently, and so becomes another policy: it agrees if
    the 95% interval of its success overlaps the one in which the page's seeds expect another seed.

    Args:
        again: Records of what was run again.
        kept: Records of the page.
        jobs: The jobs to compare; those that are not evaluations are left out, and those that have
            no record in both are counted.

    Raises:
        ValueError: If no job is left.
    """
    found, compared, unknown = [], 0, 0
    for job in jobs:
        if not job.is_evaluation:
            continue
        new, old = again.seeds(job.name), kept.seeds(every_seed(job))
        if new is None or old is None:
            unknown += 1
            continue
        compared += 1
        (low, high), (least, most) = new.interval, expected(old)
        agrees = low <= most and least <= high
        verdict = "" if agrees else "  DISAGREES"
        print(f"{job.name:36} {new.mean:6.1%}   page: {old.mean:.1%}, "
              f"another seed {least:.1%} to {most:.1%}{verdict}")  # fmt: skip
        if not agrees:
            found.append(job.name)
    if not compared:
        raise ValueError("nothing to compare: none of these jobs has both a result and a record")
    print(f"{compared} compared, {len(found)} disagree; {unknown} not run, or not on the page")
    return found


def expected(old: Seeds) -> tuple[float, float]:
    """Returns the 95% interval of the success of another seed.

    Of several seeds it is Student's prediction interval, with a deviation of at least that of the
    chance of the episodes; of one seed, Wilson's interval.
    """
    count = len(old.rates)
    if count == 1:
        return old.interval
    low, high = old.interval
    # The interval is of the episodes of all seeds.
    chance = (high - low) / 2 / 1.96 * math.sqrt(count)
    deviation = max(statistics.stdev(old.rates), chance)
    reach = _STUDENT[min(count, max(_STUDENT))] * deviation * math.sqrt(1 + 1 / count)
    return max(0.0, old.mean - reach), min(1.0, old.mean + reach)


def every_seed(job: Job) -> str:
    """Returns the name of a job with "*" in place of its seed, if its last part begins with one."""
    place, _, last = job.name.rpartition("/")
    seed, _, rest = last.partition("-")
    return f"{place}/*{'-' if rest else ''}{rest}" if seed.isdigit() else job.name
