"""What is remembered of games is bounded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "alfworld.py"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_games_played():
    """Every reset is of another game; all caches are nearly full after some 400."""
    result = subprocess.run(
        [sys.executable, str(BENCHMARK), "--growth", "400", "1200"],
        capture_output=True,
        text=True,
        check=True,
    )
    resident = json.loads(result.stdout)
    assert resident["1200"] <= 1.1 * resident["400"]
