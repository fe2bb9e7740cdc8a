"""A training that is killed at any moment, and goes on, ends as if nothing had happened."""

import dataclasses
import random
import shutil

import pytest

from tests.support import killed


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

    def moment(options):
        """Any moment from now on: after some checkpoint, and into what comes then."""
        step = rng.randrange(killed.progress(options), options.total_steps, 4)
        return (lambda: killed.progress(options) >= step), rng.uniform(0.0, seconds / 3)

    done, going_on = 0, 0
    while done < kills:
        options = dataclasses.replace(unbroken, out=str(tmp_path / "other"))
        shutil.rmtree(options.out, ignore_errors=True)
        was_killed, took = killed.train(options, threads, kill=moment(options))
        done += was_killed
        seconds = seconds if was_killed else min(seconds, took)  # the first may have been slow
        going_on += killed.progress(options) > 0
        while done < kills and 0 < killed.progress(options) < 16 and rng.random() < 0.5:
            done += killed.resume(options, kill=moment(options))[0]
            going_on += 1
        killed.finish(options, threads)
        assert killed.outcome(options.out) == expected
    return going_on


def test_a_killed_run_ends_as_an_unbroken_one(make_policy, tmp_path):
    assert_killed_runs_end_alike(make_policy, tmp_path, kills=3, threads=1)


@pytest.mark.slow
def test_fifty_killed_runs_end_as_an_unbroken_one(make_policy, tmp_path):
    going_on = assert_killed_runs_end_alike(make_policy, tmp_path, kills=50, threads=2)
    assert going_on >= 25, "most had come as far as a checkpoint"
