"""A training that is killed at any moment, and goes on, ends as if nothing had happened."""

import dataclasses
import random
import shutil

import pytest

from tests.vlm_agent import killed


def assert_killed_runs_end_alike(make_policy, tmp_path, kills, threads):
    """Kills so many trainings at random moments, some of them again after they went on."""
    make_policy().save(tmp_path / "start")
    unbroken = killed.settings(tmp_path, "whole")
    killed.run(int)  # what is imported takes longer than a run
    _, seconds = killed.train(unbroken, threads)
    expected = killed.outcome(unbroken.out)
    assert len(expected["metrics"]) == 4
    assert expected["episodes"], "what is recorded is compared too"
    rng = random.Random(0)
    done, resumed = 0, 0
    while done < kills:
        options = dataclasses.replace(unbroken, out=str(tmp_path / "other"))
        shutil.rmtree(options.out, ignore_errors=True)
        done += killed.train(options, threads, kill_after=rng.uniform(0.0, seconds))[0]
        while done < kills and killed.has_checkpoint(options) and rng.random() < 0.5:
            done += killed.resume(options, kill_after=rng.uniform(0.0, seconds))[0]
        resumed += killed.has_checkpoint(options)
        killed.finish(options, threads)
        assert killed.outcome(options.out) == expected
    return resumed


def test_a_killed_run_ends_as_an_unbroken_one(make_policy, tmp_path):
    assert_killed_runs_end_alike(make_policy, tmp_path, kills=3, threads=1)


@pytest.mark.slow
def test_fifty_killed_runs_end_as_an_unbroken_one(make_policy, tmp_path):
    assert assert_killed_runs_end_alike(make_policy, tmp_path, kills=50, threads=2) > 10
