"""Rollouts that are written while the policy learns: one update behind, and corrected for it."""

from contextlib import closing

import pytest
import torch

from tests.support.copying_engine import CopyingEngine
from tests.support.updates import NUMBER_LINE, config, update
from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.distributed.processes import Processes
from vlm_agent.rollout.async_collector import AsyncCollector
from vlm_agent.training import ppo_trainer
from vlm_agent.training.ppo import PPO
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.rollouts import Rollouts

AHEAD = {"env": NUMBER_LINE, "engine": "vllm", "async_updates": 1, "max_new_tokens": 6}


@pytest.fixture
def learning(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=6)
    policy.engine = CopyingEngine(policy)
    ppo = PPO(policy, config(tmp_path, **AHEAD), total_steps=48)
    rollouts = Rollouts(ppo, AsyncCollector(NUMBER_LINE, 4))
    yield ppo, rollouts
    rollouts.close()


def score(policy, rollout):
    with torch.no_grad():
        scores = policy.score(rollout.observations, [each.tokens for each in rollout.replies])
    rows = zip(scores.log_probs.tolist(), rollout.replies, strict=True)
    return [row[: len(reply.tokens)] for row, reply in rows]


def close(first, second):
    return [pytest.approx(row, abs=1e-4) for row in first] == second


def test_they_are_one_update_behind_and_completed_by_the_present_weights(learning):
    ppo, rollouts = learning
    policy = ppo.policy
    first = rollouts.next(more=True)
    assert close(score(policy, first), [list(each.log_probs) for each in first.replies])
    for more in (True, False):
        # The one that is now being written gets these weights, and is learned from after an update.
        behind = [parameter.detach().clone() for parameter in policy.parameters()]
        update(ppo, first)
        with torch.no_grad():
            policy.value_head.layers[-1].bias.fill_(5.0)
        found = rollouts.next(more=more)
        sampled = [list(each.log_probs) for each in found.replies]
        assert close(found.trained_log_probs, score(policy, found))
        assert not close(found.trained_log_probs, sampled)
        with torch.no_grad():
            now = [parameter.detach().clone() for parameter in policy.parameters()]
            for parameter, value in zip(policy.parameters(), behind, strict=True):
                parameter.copy_(value)
            assert close(score(policy, found), sampled)
            for parameter, value in zip(policy.parameters(), now, strict=True):
                parameter.copy_(value)
        cut = [segment for segment in found.segments if not segment.done]
        assert cut
        assert min(each.bootstrap_value for each in cut) > 1, "of the present value head"
        first = found
    metrics = update(ppo, found)
    assert metrics["train/first_ratio_error"] == pytest.approx(0, abs=1e-5)
    assert metrics["train/importance_mean"] != 1
    assert policy.engine.sent == 3


def test_a_state_leaves_out_what_is_being_written(learning):
    _, rollouts = learning
    rollouts.next(more=True)
    state = rollouts.state_dict()
    following = rollouts.next(more=False)
    after = rollouts.state_dict()
    rollouts.load_state_dict(state)
    again = rollouts.next(more=False)
    assert [each.tokens for each in again.replies] == [each.tokens for each in following.replies]
    assert again.actions == following.actions
    assert rollouts.state_dict()["rngs"] == after["rngs"] != state["rngs"]


def test_what_is_being_written_is_given_up(learning):
    ppo, rollouts = learning
    rollouts.next(more=True)
    rollouts.close()
    assert ppo.policy.engine is None
    rollouts.close()


def test_runs_go_on_from_a_checkpoint(make_policy, tmp_path, monkeypatch):
    make_policy(max_new_tokens=6).save(tmp_path / "start")
    monkeypatch.setattr(
        ppo_trainer, "make_engine", lambda config, policy, *_, **__: CopyingEngine(policy)
    )
    settings = config(
        tmp_path, **AHEAD, rollout_steps=1, total_steps=12, ppo_epochs=1, checkpoint_every=1
    )
    train_ppo(settings)
    rows = read_metrics(settings.out)
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert rows[0]["train/sampling_gap"] < 1e-4 < rows[2]["train/sampling_gap"]
    (checkpoint,) = (tmp_path / "out" / "checkpoints").glob("*8")
    resume_ppo(checkpoint)
    resumed = read_metrics(settings.out)
    assert resumed[:2] == rows[:2]
    # Written again, by the weights that the checkpoint holds.
    assert resumed[2]["train/sampling_gap"] < 1e-4


def test_the_model_that_learns_does_not_write_at_the_same_time(tmp_path):
    with pytest.raises(ValueError, match="async_updates=1 with engine='hf'.*expected engine='vl"):
        config(tmp_path, async_updates=1)


@pytest.mark.parametrize(
    "options", [{"algorithm": "gigpo", "group_size": 2}, {"algorithm": "gtr"}], ids=["gigpo", "gtr"]
)
def test_other_algorithms_learn_from_them_too(make_policy, tmp_path, options):
    policy = make_policy(max_new_tokens=6)
    policy.engine = CopyingEngine(policy)
    settings = config(tmp_path, **AHEAD, rollout_steps=1, ppo_epochs=1, **options)
    ppo = PPO(policy, settings, total_steps=8)
    collector = ppo_trainer.make_collector(settings, policy, [EnvSpec(NUMBER_LINE)], Processes())
    with closing(Rollouts(ppo, collector)) as rollouts:
        for more in (True, False):
            found = update(ppo, rollouts.next(more=more))
            assert found["train/importance_sample_size"] > 0
    assert (found.get("train/imitation_loss", 0) > 0) == (settings.algorithm == "gtr")
