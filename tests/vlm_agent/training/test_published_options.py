"""Options by which an update can be that of the paper's published code."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.updates import NUMBER_LINE, config, update, updated
from vlm_agent.config.files import load_config
from vlm_agent.config.model import ModelOptions
from vlm_agent.models.adapters.dropout import dropping_out
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.value_head import ValueHead
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.losses import value_loss
from vlm_agent.training.ppo import PPO
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo


@pytest.fixture
def start(make_policy, tmp_path):
    make_policy(max_new_tokens=16).save(tmp_path / "start")
    return tmp_path / "start"


def with_adapter(start, **options):
    policy = VLMPolicy.load(start, options=ModelOptions(lora=True, lora_rank=2, **options))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return policy


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters() if p.requires_grad])


# ----- the value function ------------------------------------------------------------------------


class Steps:
    old_values = torch.tensor([0.8, 1.0, 0.5, 2.0])
    returns = torch.tensor([2.0, 0.0, 1.0, 1.0])


def test_the_clipped_value_loss_by_hand():
    values = torch.tensor([1.0, 3.0, 0.55, 1.0], requires_grad=True)
    # 1: V' = 0.9: max(1, 1.21): it has moved more than 0.1 towards the return, and rests.
    # 2: V' = 1.1: max(9, 1.21): it has moved away, and returns.
    # 3: V' = V: 0.2025. 4: V' = 1.9: max(0, 0.81).
    loss = value_loss(values, Steps, 0.1)
    assert loss.item() == pytest.approx((1.21 + 9 + 0.2025 + 0.81) / 4)
    loss.backward()
    assert values.grad.tolist() == pytest.approx([0.0, 2 * 3 / 4, 2 * -0.45 / 4, 0.0])
    assert value_loss(values, Steps, None).item() == pytest.approx((1 + 9 + 0.2025 + 0) / 4)


def test_values_are_clipped_around_those_of_the_rollout(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=16)
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    found = []
    for clip in (None, 1e-6):
        changes = {"value_clip_range": clip, "learning_rate": 1e-2, "ppo_epochs": 4}
        policy = make_policy(max_new_tokens=16)
        metrics, _ = updated(policy, tmp_path, rollout, stop_value_gradient=True, **changes)
        found.append(metrics["train/value_loss"])
    assert found[1] > found[0], "in the second, what was gained does not count"


def test_the_head_is_made_anew_for_training_and_saved(start, tmp_path):
    options = {"value_head_sizes": [6, 5], "value_head_activation": "relu", "seed": 3}
    policy = VLMPolicy.load(start)
    hidden = policy.value_head.layers[0].in_features
    PPO(policy, config(tmp_path, **options), total_steps=24)
    expected = ValueHead(hidden, (6, 5), "relu", seed=3)
    for mine, other in zip(policy.value_head.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine, other)
    plain = VLMPolicy.load(start)
    before = [p.clone() for p in plain.value_head.parameters()]
    PPO(plain, config(tmp_path), total_steps=24)
    assert all(map(torch.equal, plain.value_head.parameters(), before)), "with seed 0, unchanged"
    PPO(plain, config(tmp_path, seed=1), total_steps=24)
    assert not torch.equal(next(plain.value_head.parameters()), before[0])


# ----- the optimizer -----------------------------------------------------------------------------


def test_epsilon_reaches_adam(make_policy, tmp_path):
    moved = []
    for options in ({}, {"adam_epsilon": 1e-7}, {"adam_epsilon": 1e3}):
        policy = make_policy(max_new_tokens=16)
        before = weights(policy)
        _, algorithm = updated(policy, tmp_path, **options)
        epsilons = {group["eps"] for group in algorithm.optimizer.param_groups}
        assert epsilons == {options.get("adam_epsilon", 1e-8)}
        moved.append((weights(policy) - before).abs().max().item())
    assert moved[2] < 1e-3 * moved[0]


def test_the_learning_rate_falls_update_by_update(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=16)
    settings = config(tmp_path, env=NUMBER_LINE, ppo_epochs=2, schedule_updates=4)
    algorithm = PPO(policy, settings, total_steps=24)
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    used = []
    algorithm.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"])
    )
    for number in range(6):
        metrics = update(algorithm, rollout)
        # From 1e-3 to 1e-4 in four updates, and there it stays.
        expected = 1e-4 + 0.9e-3 * (1 + math.cos(math.pi * min(number, 4) / 4)) / 2
        assert used == pytest.approx([expected] * 4), number
        assert metrics["train/learning_rate"] == pytest.approx(expected)
        used.clear()


# ----- dropout -----------------------------------------------------------------------------------


def modes(policy):
    """Records, for every pass of the adapter's dropout, whether it was on."""
    found = []
    for name, module in policy.model.named_modules():
        if isinstance(module, torch.nn.Dropout) and "lora_dropout" in name:
            module.register_forward_pre_hook(lambda module, _: found.append(module.training))
    return found


@pytest.mark.parametrize("dropout", [False, True])
def test_dropout_is_on_in_updates_and_never_in_replies(start, tmp_path, dropout):
    policy = with_adapter(start, lora_dropout=0.2)
    settings = config(
        tmp_path, env=NUMBER_LINE, lora=True, update_dropout=dropout, ppo_epochs=1, kl_coef=0.1
    )
    collector = Collector(NUMBER_LINE, 4)
    algorithm = PPO(policy, settings, total_steps=24)
    found = modes(policy)
    state = torch.get_rng_state()
    rollout = algorithm.collect(collector)
    assert not any(found)
    metrics = update(algorithm, rollout)
    assert found
    assert any(found) == dropout
    assert torch.equal(torch.get_rng_state(), state), "no other generator moves"
    error = metrics["train/first_ratio_error"]
    assert error > 1e-3 if dropout else error < 1e-4
    found.clear()
    algorithm.collect(collector)
    assert not any(found), "also after an update"


def test_dropout_does_not_depend_on_anything_global(start, tmp_path):
    found = []
    for seed, checkpointing in ((1, False), (2, False), (3, True)):
        policy = with_adapter(start, lora_dropout=0.2, gradient_checkpointing=checkpointing)
        settings = config(tmp_path, env=NUMBER_LINE, lora=True, update_dropout=True)
        algorithm = PPO(policy, settings, total_steps=24)
        rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            update(algorithm, rollout)
        found.append(weights(policy))
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[0], found[2], msg="recomputed activations are dropped alike")


def test_every_gradient_has_a_dropout_of_its_own(start, tmp_path):
    def algorithm(seed):
        settings = config(tmp_path, env=NUMBER_LINE, lora=True, update_dropout=True, seed=seed)
        return PPO(with_adapter(start, lora_dropout=0.2), settings, total_steps=24)

    def drawn(algorithm):
        with algorithm._dropout():
            return torch.rand(4).tolist()

    one, same, other, second = (algorithm(seed) for seed in (0, 0, 1, 0))
    second._processes.rank = 1
    first = drawn(one)
    assert drawn(same) == first
    assert drawn(other) != first
    assert drawn(second) != first, "processes drop different inputs"
    state = one.state_dict()
    following = drawn(one)
    assert following != first
    same.load_state_dict(state)
    assert drawn(same) == following, "also in a resumed run"


def test_only_the_dropout_of_the_adapter_is_turned_on(start):
    policy = with_adapter(start, lora_dropout=0.2)
    with dropping_out(policy.model):
        on = {name for name, module in policy.model.named_modules() if module.training}
    assert on
    assert not any(module.training for module in policy.model.modules())
    layers = {name.split(".lora_dropout")[0] for name in on}
    assert all(hasattr(policy.model.get_submodule(name), "lora_A") for name in layers)


def test_dropout_without_an_adapter_that_has_it(start, tmp_path):
    with pytest.raises(ValueError, match="update_dropout=True without lora"):
        config(tmp_path, update_dropout=True)
    policy = with_adapter(start, lora_dropout=0.0)
    settings = config(tmp_path, lora=True, update_dropout=True)
    with pytest.raises(ValueError, match="saved with a dropout of 0"):
        PPO(policy, settings, total_steps=24)


# ----- all of it ---------------------------------------------------------------------------------

PUBLISHED = {
    "num_envs": 1,
    "rollout_steps": 512,
    "minibatch_size": 128,
    "ppo_epochs": 4,
    "clip_range": 0.1,
    "gamma": 0.9,
    "gae_lambda": 0.95,
    "learning_rate": 1e-5,
    "final_learning_rate": 1e-9,
    "schedule_updates": 25,
    "adam_epsilon": 1e-7,
    "max_grad_norm": 0.01,
    "value_clip_range": 0.1,
    "value_coef": 0.25,  # of the squared error: 0.5 of half of it
    "value_head_sizes": (1024, 512),
    "value_head_activation": "relu",
    "lora": True,
    "lora_rank": 128,
    "lora_alpha": 256,
    "lora_dropout": 0.05,
    "update_dropout": True,
    "total_steps": 15_000,
}
OWN = {
    "numberline": {},
    "blackjack": {},
    "ezpoints": {"rollout_steps": 1024},
    "points24": {"rollout_steps": 1024},
    "alfworld": {"rollout_steps": 1024, "minibatch_size": 256, "total_steps": 12_000},
}


@pytest.mark.parametrize("task", OWN)
def test_the_recipes_are_those_of_the_published_scripts(task):
    found = load_config(PPOConfig, task, "ppo")
    for name, value in {**PUBLISHED, **OWN[task]}.items():
        assert getattr(found, name) == value, name


def test_a_resumed_run_with_all_of_it_ends_with_the_same_weights(start, tmp_path):
    settings = config(
        tmp_path,
        **{"env": NUMBER_LINE, "lora": True, "lora_rank": 2, "update_dropout": True, "seed": 2},
        **{"value_head_sizes": [6, 5], "value_head_activation": "relu", "value_clip_range": 0.1},
        **{"schedule_updates": 3, "adam_epsilon": 1e-7, "max_grad_norm": 0.01},
        **{"checkpoint_every": 1, "keep_checkpoints": 5, "record_episodes": 0},
    )

    def saved():
        found = [load_file(path) for path in sorted(Path(settings.out).glob("*.safetensors"))]
        assert len(found) == 2, "adapter and value head"
        return found

    train_ppo(settings)
    expected = saved()
    first = sorted(Path(settings.out, "checkpoints").iterdir())[0]
    torch.manual_seed(123)
    policy = resume_ppo(first)
    assert (policy.value_head.sizes, policy.value_head.activation) == ((6, 5), "relu")
    for one, other in zip(saved(), expected, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
