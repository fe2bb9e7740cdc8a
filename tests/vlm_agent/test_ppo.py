import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from vlm_agent.policy import VLMPolicy
from vlm_agent.ppo import (
    PPO,
    PPOConfig,
    clipped_objective,
    make_batch,
    step_log_prob,
    train_ppo,
)
from vlm_agent.rollout import Collector, Rollout
from vlm_agent.runs import read_metrics
from vlm_agent.task import Observation, Reply, Task


def config(tmp_path, **changes):
    settings = {
        "env": "gym_cards/EZPoints-v0",
        "model": str(tmp_path / "start"),
        "out": str(tmp_path / "out"),
        "temperature": 1.0,
        "max_new_tokens": 16,
        "total_steps": 24,
        "num_envs": 4,
        "rollout_steps": 3,
        "minibatch_size": 8,
        "micro_batch_size": 4,
        "epochs": 2,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
    }
    return PPOConfig(**{**settings, **changes})


def test_the_step_log_probability_by_hand():
    log_probs = torch.tensor([[-1.0, -2.0, -4.0, -8.0], [-1.0, -3.0, 0.0, 0.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    # First reply: thought of two tokens, action of two. Second: all thought.
    action_tokens = torch.tensor([2, 2])
    expected = [0.5 * (-1 - 2) + (-4 - 8), 0.5 * (-1 - 3)]
    assert step_log_prob(log_probs, mask, action_tokens, 0.5).tolist() == expected
    # λ = 0 leaves the action, λ = 1 the plain log-probability of the reply.
    assert step_log_prob(log_probs, mask, action_tokens, 0.0).tolist() == [-12.0, 0.0]
    assert step_log_prob(log_probs, mask, action_tokens, 1.0).tolist() == [-15.0, -4.0]


def test_padding_has_no_weight_even_where_nothing_can_be_written():
    log_probs = torch.tensor([[-1.0, -math.inf]])
    mask = torch.tensor([[True, False]])
    assert step_log_prob(log_probs, mask, torch.tensor([0]), 0.5).tolist() == [-1.0]


def test_the_clipped_objective_by_hand():
    ratio = torch.tensor([1.0, 1.5, 1.5, 0.5, 0.5])
    advantages = torch.tensor([2.0, 2.0, -2.0, 2.0, -2.0])
    # Gains stop at the clip, losses do not.
    expected = [2.0, 2.2, -3.0, 1.0, -1.8]
    assert clipped_objective(ratio, advantages, 0.1).tolist() == pytest.approx(expected)


def test_a_batch_by_hand():
    def reply(*log_probs, action_token):
        return Reply("", 0, (1,) * len(log_probs), action_token, log_probs, 0.0)

    observation = Observation(np.zeros((2, 2, 3), np.uint8), Task("", ("a",)), ("a",))
    rollout = Rollout(
        observations=[[observation], [observation]],
        replies=[[reply(-1.0, -2.0, action_token=1)], [reply(-4.0, action_token=1)]],
        rewards=np.array([[0.0], [3.0]]),
        values=np.array([[1.0], [2.0]]),
        next_values=np.array([[2.0], [0.0]]),
        last=np.array([[False], [True]]),
    )
    settings = PPOConfig(
        env="", model="", out="", gamma=0.5, gae_lambda=0.5, thought_coef=0.5, epochs=1
    )
    batch = make_batch(rollout, settings, torch.device("cpu"))
    # δ = (0 + 0.5·2 - 1, 3 - 2) = (0, 1), so A = (0.25, 1); their mean is 0.625 and standard
    # deviation 0.375; returns are A + V.
    assert batch.advantages.tolist() == pytest.approx([-1.0, 1.0])
    assert batch.returns.tolist() == pytest.approx([1.25, 3.0])
    plain = dataclasses.replace(settings, normalise_advantages=False)
    assert make_batch(rollout, plain, torch.device("cpu")).advantages.tolist() == [0.25, 1.0]
    assert batch.log_probs.tolist() == pytest.approx([0.5 * -1 - 2, 0.5 * -4])


def test_the_learning_rate_falls_to_its_end_also_when_updates_end_early(make_policy, tmp_path):
    for target in (None, 1e-9):
        policy = make_policy(max_new_tokens=8)
        collector = Collector("gym_cards/NumberLine-v0", 4)
        algorithm = PPO(policy, config(tmp_path, target_kl=target), updates=2)
        rates = [algorithm.schedule.get_last_lr()[0]]
        for _ in range(2):
            algorithm.update(collector.collect(policy, 3))
            rates.append(algorithm.schedule.get_last_lr()[0])
        assert rates == pytest.approx([1e-3, 5.5e-4, 1e-4])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_an_update_may_end_before_its_first_step(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=8)
    rollout = Collector("gym_cards/NumberLine-v0", 4).collect(policy, 3)
    for step in rollout.replies:
        step[:] = [dataclasses.replace(r, log_probs=(-9.0,) * len(r.tokens)) for r in step]
    before = [parameter.clone() for parameter in policy.parameters()]
    metrics = PPO(policy, config(tmp_path, target_kl=0.1), updates=1).update(rollout)
    assert metrics["train/optimizer_steps"] == 0
    assert metrics["train/first_ratio_error"] > 0.1
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_the_ratio_is_1_on_the_first_minibatch_of_every_update(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=16)
    for module in policy.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    settings = config(tmp_path)
    collector = Collector("gym_cards/EZPoints-v0", settings.num_envs)
    algorithm = PPO(policy, settings, updates=3)
    prompts = set()
    for _ in range(3):
        rollout = collector.collect(policy, settings.rollout_steps)
        prompts.update(policy.prompt(o) for step in rollout.observations for o in step)
        metrics = algorithm.update(rollout)
        assert metrics["train/first_ratio_error"] < 1e-3
        assert metrics["train/approx_kl"] > 1e-3, "later minibatches have moved"
    assert len(prompts) > 3, "prompts differ from step to step"


def test_the_ratio_shows_a_wrong_prompt(make_policy, tmp_path):
    """Fault 1 of the published code: all replies scored under one fixed prompt."""
    policy = make_policy(max_new_tokens=16)
    settings = config(tmp_path)
    rollout = Collector("gym_cards/EZPoints-v0", settings.num_envs, seed=3).collect(policy, 3)
    fixed = {"current formula": "9"}
    rollout.observations = [
        [dataclasses.replace(o, given=fixed) for o in step] for step in rollout.observations
    ]
    assert PPO(policy, settings, updates=1).update(rollout)["train/first_ratio_error"] > 0.01


def test_accumulated_micro_batches_equal_one_batch(make_policy, tmp_path):
    after = []
    for size in (1, 8):
        policy = make_policy(max_new_tokens=16)
        policy.seed(0)
        settings = config(
            tmp_path,
            micro_batch_size=size,
            rollout_steps=2,
            epochs=1,
            max_grad_norm=1e9,  # clipping would hide a gradient of the wrong size
        )
        rollout = Collector("gym_cards/NumberLine-v0", 4).collect(policy, 2)
        # Plain gradient descent, since Adam would turn rounding into steps of full size.
        algorithm = PPO(policy, settings, updates=1)
        algorithm.optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
        algorithm.schedule = torch.optim.lr_scheduler.ConstantLR(algorithm.optimizer, factor=1.0)
        algorithm.update(rollout)
        after.append(torch.cat([p.detach().ravel() for p in policy.parameters()]))
    torch.testing.assert_close(after[0], after[1], atol=1e-5, rtol=1e-4)


def test_the_update_prefers_what_was_rewarded(make_policy, tmp_path):
    """With one positive advantage and the rest negative, the rewarded reply gains probability."""
    policy = make_policy(max_new_tokens=16)
    settings = config(
        tmp_path, minibatch_size=12, micro_batch_size=12, learning_rate=1e-4, clip=0.5
    )
    rollout = Collector("gym_cards/NumberLine-v0", 4).collect(policy, 3)
    rollout.rewards = np.zeros((3, 4))
    rollout.rewards[1, 2] = 1.0
    rollout.last = np.ones((3, 4), dtype=bool)
    rollout.next_values = np.zeros((3, 4))
    reply, observation = rollout.replies[1][2], rollout.observations[1][2]
    PPO(policy, settings, updates=1).update(rollout)
    with torch.no_grad():
        after = policy.score([observation], [reply.tokens]).log_probs.sum().item()
    assert after > sum(reply.log_probs)


def test_an_update_ends_early_when_the_policy_has_moved_too_far(make_policy, tmp_path):
    steps = {}
    for target in (None, 1e-9):
        policy = make_policy(max_new_tokens=16)
        policy.seed(0)
        rollout = Collector("gym_cards/NumberLine-v0", 4).collect(policy, 3)
        metrics = PPO(policy, config(tmp_path, target_kl=target), updates=1).update(rollout)
        steps[target] = metrics["train/optimizer_steps"]
    assert steps == {None: 4, 1e-9: 1}


def test_a_run_saves_everything(make_policy, tmp_path):
    make_policy().save(tmp_path / "start")
    settings = config(tmp_path)
    trained = train_ppo(settings)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "model.safetensors", "value_head.safetensors", "config.json", "policy.json",
        "tokenizer.json", "processor_config.json", "run.json", "metrics.jsonl", "tensorboard",
    } <= names  # fmt: skip
    assert list((tmp_path / "out" / "tensorboard").iterdir())
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == dataclasses.asdict(settings)
    metrics = read_metrics(tmp_path / "out")
    assert [row["step"] for row in metrics] == [12, 24]
    assert 0 <= metrics[0]["rollout/illegal_rate"] <= 1
    loaded = VLMPolicy.load(tmp_path / "out")
    for one, other in zip(loaded.parameters(), trained.parameters(), strict=True):
        assert torch.equal(one, other)
    start = VLMPolicy.load(tmp_path / "start")
    for part in ("vision", "projector", "language_model", "value_head"):
        changed = [
            not torch.equal(parameter, dict(start.named_parameters())[name])
            for name, parameter in loaded.named_parameters()
            if part in name
        ]
        assert any(changed), f"{part} was not trained"


def test_a_run_is_not_overwritten_silently(make_policy, tmp_path):
    make_policy().save(tmp_path / "start")
    settings = config(tmp_path, total_steps=12)
    train_ppo(settings)
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="already holds a run.*--overwrite"):
        train_ppo(settings)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    train_ppo(dataclasses.replace(settings, overwrite=True, seed=1))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() != before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="holds no run"):
        train_ppo(dataclasses.replace(settings, overwrite=True, out=str(tmp_path / "mine")))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "keep"


def test_an_interrupt_saves(make_policy, tmp_path, monkeypatch):
    make_policy().save(tmp_path / "start")
    collect, calls = Collector.collect, []

    def interrupted(self, policy, steps):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return collect(self, policy, steps)

    monkeypatch.setattr(Collector, "collect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_ppo(config(tmp_path))
    assert len(read_metrics(tmp_path / "out")) == 1
    start, saved = VLMPolicy.load(tmp_path / "start"), VLMPolicy.load(tmp_path / "out")
    changed = [
        not torch.equal(a, b) for a, b in zip(start.parameters(), saved.parameters(), strict=True)
    ]
    assert any(changed), "the first update is in what was saved"


def test_a_greedy_policy_is_refused_before_anything_is_played(make_policy, tmp_path):
    make_policy(temperature=0.0).save(tmp_path / "start")
    with pytest.raises(ValueError, match="greedy: pass a --temperature"):
        train_ppo(config(tmp_path, temperature=None))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thought_coef": 2.0}, "thought_coef=2.0"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"minibatch_size": 10}, "minibatch_size=10 is not a multiple of micro_batch_size=4"),
        ({"epochs": 0}, "epochs=0"),
    ],
)
def test_numbers_that_cannot_be_trained_with(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **changes)
