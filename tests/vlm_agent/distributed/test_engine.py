"""An engine that several processes share."""

import copy

import pytest

from tests.support.launching import launch, options
from tests.support.scripted_vllm import scripted_vllm
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.models.policy import VLMPolicy


@pytest.mark.slow
def test_processes_share_a_server_that_one_of_them_sends_weights(make_policy, tmp_path, documented):
    """With the weights of each process whole, and sharded; and one update ahead."""
    make_policy().save(tmp_path / "start")
    serving = VLMPolicy.load(tmp_path / "start", max_new_tokens=12, temperature=1.0)
    with scripted_vllm(copy.deepcopy(serving)) as (url, script):
        engine = {"engine": "vllm", "engine_url": url, "total_steps": 24}
        for how, runs in ((None, ("whole", "ahead")), (documented, ("sharded",))):
            trainings = [
                options(tmp_path, name, **engine, async_updates=int(name == "ahead"))
                for name in runs
            ]
            script.calls.clear()
            script.asked = 0
            found = launch(trainings, *(() if how is None else (how,)))
            assert found.returncode == 0, found.stderr
            # Two rollouts of 12 steps each.
            assert script.asked == 24 * len(runs)
            assert script.calls.count("/collective_rpc") == 2 * len(runs)
            for name in runs:
                gaps = [row["train/sampling_gap"] for row in read_metrics(tmp_path / name)]
                assert gaps[0] < 1e-4
                assert (gaps[1] < 1e-4) == (name != "ahead")
