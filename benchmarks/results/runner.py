"""Runs jobs, several at a time, and remembers what is finished."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.checkpoints import find_checkpoint
from baselines.runs import CHECKPOINT
from benchmarks.results.jobs import Job
from vlm_agent.core.system.json_lines import read_json_lines
from vlm_agent.training.saving.checkpoints import holds_checkpoint

LOG = "jobs.jsonl"


class Finished:
    """The list of finished jobs in a directory.

    Args:
        out: The directory.
    """

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self._file, self._lock = out, out / LOG, threading.Lock()
        lines = read_json_lines(self._file) if self._file.is_file() else ()
        self._last = {value["name"]: value for _, value in lines}

    def find(self, job: Job, jobs: Mapping[str, Job]) -> dict[str, Any] | None:
        """Returns the entry of a job that is finished, or `None` if it has to be run."""
        entry = self._last.get(job.name)
        if entry is None or entry["fingerprint"] != job.fingerprint(jobs) or not entry["done"]:
            return None
        return entry if job.place(self.out).exists() else None

    def began(self, job: Job, jobs: Mapping[str, Job]) -> bool:
        """Notes that a job is started, and returns whether it was started before as it is.

        What another command left in the job's place is removed, so that it is not resumed.
        """
        last, fingerprint = self._last.get(job.name), job.fingerprint(jobs)
        known = last is not None and last["fingerprint"] == fingerprint and not last["done"]
        if not known:
            _remove(job.place(self.out))
            self._note({"name": job.name, "fingerprint": fingerprint, "done": False, "seconds": 0})
        return known

    def add_seconds(self, job: Job, seconds: float, *, done: bool) -> None:
        """Notes how long a job took until it was finished or interrupted."""
        entry = self._last[job.name]
        total = round(entry["seconds"] + seconds, 1)
        about = {"done": done, "seconds": total, "machine": machine()}
        self._note({**entry, **about})

    def _note(self, entry: dict[str, Any]) -> None:
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._last[entry["name"]] = entry


def machine() -> dict[str, Any]:
    """Returns what a duration depends on."""
    return {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}


@dataclass
class Runner:
    """Runs jobs as commands of their own.

    Attributes:
        jobs: All jobs, by name.
        finished: Those of them that need not be run.
        root: The repository, in which commands run.
        at_once: Number of commands that run side by side.
        threads: CPU threads of torch in each.
    """

    jobs: Mapping[str, Job]
    finished: Finished
    root: Path
    at_once: int = 1
    threads: int = 1

    def run(self, wanted: Sequence[Job]) -> list[Job]:
        """Runs what is not finished, and what it needs; returns the jobs that failed.

        An interrupt is handed on to the commands, which save what they have.
        """
        waiting = self._pending(wanted)
        total, started = len(waiting), time.monotonic()
        failed: list[Job] = []
        running: dict[Future[float | None], Job] = {}
        self._processes: set[subprocess.Popen[bytes]] = set()
        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                while waiting or running:
                    for job in [job for job in waiting if self._is_ready(job)]:
                        if len(running) < self.at_once:
                            waiting.remove(job)
                            running[pool.submit(self._run, job)] = job
                    if not running:
                        break  # what is left needs a job that failed
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        job = running.pop(future)
                        seconds = future.result()
                        if seconds is None:
                            failed.append(job)
                        left = len(waiting) + len(running)
                        how = "FAILED" if seconds is None else f"{seconds:.0f} s"
                        passed = (time.monotonic() - started) / 60
                        print(
                            f"{total - left}/{total} {job.name}: {how} (minute {passed:.0f})",
                            flush=True,
                        )
            except KeyboardInterrupt:
                for process in list(self._processes):
                    process.send_signal(signal.SIGINT)
                raise
        return failed

    def _pending(self, wanted: Sequence[Job]) -> list[Job]:
        """Returns the jobs that have to be run, in the order of all jobs."""
        names: set[str] = set()
        stack = [job.name for job in wanted]
        while stack:
            name = stack.pop()
            if name not in names and self.finished.find(self.jobs[name], self.jobs) is None:
                names.add(name)
                stack += self.jobs[name].needs
        return [job for name, job in self.jobs.items() if name in names]

    def _is_ready(self, job: Job) -> bool:
        return all(self.finished.find(self.jobs[name], self.jobs) for name in job.needs)

    def _run(self, job: Job) -> float | None:
        """Runs one job and returns the seconds it took in all, or `None` if it failed."""
        out = self.finished.out
        place = job.place(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        words = self._words(job, resumed=self.finished.began(job, self.jobs))
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        log = out / f"{job.name}.log"
        begun = time.monotonic()
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.root,
                env=environment,
                stdout=file,
                stderr=file,
                # An interrupt at the terminal reaches it once, from here.
                start_new_session=True,
            )
            self._processes.add(process)
            code = process.wait()
            self._processes.discard(process)
        self.finished.add_seconds(job, time.monotonic() - begun, done=code == 0)
        if code:
            print(f"{job.name} ended with status {code}: {_last_line(log)}", file=sys.stderr)
            return None
        entry = self.finished.find(job, self.jobs)
        return None if entry is None else float(entry["seconds"])

    def _words(self, job: Job, *, resumed: bool) -> list[str]:
        """Returns the arguments of Python that run or resume a job's command."""
        place = job.place(self.finished.out)
        words = job.command(self.finished.out, self.jobs)
        if words[0] == "python":
            if resumed and find_checkpoint(place / CHECKPOINT) is not None:
                return [*words[1:3], "--resume", str(place)]
            shutil.rmtree(place, ignore_errors=True)
            return words[1:]
        module = ["-m", "vlm_agent", words[1]]
        if job.is_evaluation:
            return [*module, *words[2:]]
        if resumed and holds_checkpoint(place):
            return [*module, "--resume", str(place)]
        return [*module, *words[2:], *(["--overwrite"] if place.exists() else [])]


def _remove(place: Path) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _last_line(path: Path) -> str:
    """Returns the last line of a log that is not empty."""
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "no output")
