"""The commands `run`, `list`, `records`, `check` and `page`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results.agreement import disagreements
from benchmarks.results.experiments import PARTS, SEEDS, all_jobs
from benchmarks.results.jobs import ROOT, Job, by_name
from benchmarks.results.page import write_page
from benchmarks.results.records import Records, collect, merge, write
from benchmarks.results.runner import Finished, Runner

RECORDS = ROOT / "benchmarks" / "results" / "records.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is not finished, lists it, writes records and page, or compares with them."""
    options = _parser().parse_args(argv)
    jobs = by_name(all_jobs(options.seeds))
    finished = Finished(options.out)
    wanted = [job for job in jobs.values() if job.part in options.part and _matches(job, options)]
    if options.command == "list":
        for job in wanted:
            entry = finished.find(job, jobs)
            state = f"about {job.minutes:g} min" if entry is None else f"{entry['seconds']:.0f} s"
            print(f"{'done' if entry else '    '} {job.name:40} {state}")
        return 0
    if options.command == "page":
        write_page(RECORDS, ROOT)
        print(f"saved {ROOT / 'docs' / 'results.md'}, its figures, and the rows of README.md")
        return 0
    if options.command == "check":
        try:
            wrong = disagreements(Records(options.out / "records.jsonl"), Records(RECORDS), wanted)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        return 1 if wrong else 0
    failed: list[Job] = []
    if options.command == "run":
        # Ends as an interrupt does, which is handed on to what is running.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        runner = Runner(jobs, finished, ROOT, options.jobs, options.threads)
        try:
            failed = runner.run(wanted)
        except KeyboardInterrupt:
            print("\ninterrupted: the same command continues", file=sys.stderr)
            return 130
    records = collect(jobs, finished)
    write(records, options.out / "records.jsonl")
    print(f"{len(records)} records in {options.out / 'records.jsonl'}")
    if options.keep:
        known = {*jobs, *(job.name for job in all_jobs())}
        write([each for each in merge(RECORDS, records) if each["name"] in known], RECORDS)
        print(f"and in {RECORDS}")
    return 1 if failed else 0


def _matches(job: Job, options: argparse.Namespace) -> bool:
    return not options.only or any(word in job.name for word in options.only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.results",
        description="Runs the commands behind docs/results.md, and writes that page.",
        epilog="The same command continues what was interrupted, and repeats what has changed.",
    )
    parser.add_argument("command", choices=("run", "list", "records", "check", "page"))
    parser.add_argument("--out", type=Path, default=Path("runs/results"), help="where runs are")
    parser.add_argument("--part", nargs="+", default=list(PARTS), choices=PARTS, help="parts")
    parser.add_argument("--only", nargs="+", default=[], help="jobs whose name contains one of")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="of training")
    parser.add_argument("--jobs", type=int, default=1, help="commands that run side by side")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch in each")
    parser.add_argument("--keep", action="store_true", help="add to the records of the repository")
    return parser


if __name__ == "__main__":
    sys.exit(main())
