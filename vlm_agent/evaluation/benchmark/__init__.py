"""Benchmarks: named sets of tasks with fixed episodes, their records and their tables."""

from vlm_agent.evaluation.benchmark.checksum import ChangedEnvironmentError, checksum_of
from vlm_agent.evaluation.benchmark.record import problems_of, read_record
from vlm_agent.evaluation.benchmark.run import Player, replay, run_benchmark
from vlm_agent.evaluation.benchmark.sets import SETS, find_set
from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet, BenchmarkTask

__all__ = [
    "SETS",
    "BenchmarkSet",
    "BenchmarkTask",
    "ChangedEnvironmentError",
    "Player",
    "checksum_of",
    "find_set",
    "problems_of",
    "read_record",
    "replay",
    "run_benchmark",
]
