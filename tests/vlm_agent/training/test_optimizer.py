import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.support.updates import NUMBER_LINE, config, update
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.trainer import TrainingOptions
from vlm_agent.distributed.processes import Processes
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.optimization import optimizer as optimizers
from vlm_agent.training.optimization.optimizer import (
    CosineSchedule,
    NotFiniteError,
    OptimizerStep,
    check_optimizer,
    make_optimizer,
    warmup_steps,
)
from vlm_agent.training.ppo import PPO


def parameters(*gradients):
    found = [torch.nn.Parameter(torch.zeros(1)) for _ in gradients]
    for parameter, gradient in zip(found, gradients, strict=True):
        parameter.grad = torch.tensor([float(gradient)])
    return found


def test_gradients_are_clipped_group_by_group():
    model, head = parameters(3, 4), parameters(100)
    stepper = OptimizerStep({"model": model, "head": head}, max_norm=1.0)
    norms = stepper.step(torch.optim.SGD([*model, *head], lr=1.0), {"loss": 1.0})
    assert norms == {"model": 5.0, "head": 100.0}
    moved = [parameter.item() for parameter in (*model, *head)]
    assert moved == pytest.approx([-0.6, -0.8, -1.0], abs=1e-4), "a large one takes from no other"


@pytest.mark.parametrize(("gradient", "loss"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan)])
def test_a_step_that_is_not_finite_is_left_out(gradient, loss):
    weights = parameters(gradient)
    optimizer = torch.optim.Adam(weights, lr=1.0)
    stepper = OptimizerStep({"norm": weights}, max_norm=1.0)
    assert stepper.step(optimizer, {"loss": loss}) is None
    assert weights[0].item() == 0.0
    assert weights[0].grad is None, "nothing of it is left for the next step"
    weights[0].grad = torch.ones(1)
    assert stepper.step(optimizer, {"loss": 1.0}) == {"norm": 1.0}
    assert weights[0].item() == pytest.approx(-1.0), "the optimiser's averages are clean too"


def test_many_in_a_row_are_diagnosed():
    weights = parameters(1)
    optimizer = torch.optim.SGD(weights, lr=1.0)
    stepper = OptimizerStep({"gradient_norm": weights}, max_norm=1.0)
    for loss in (math.nan, math.nan, math.nan, math.nan, 1.0, *[math.nan] * 4):
        weights[0].grad = torch.ones(1)
        stepper.step(optimizer, {"value_loss": loss})
    weights[0].grad = torch.ones(1)
    with pytest.raises(NotFiniteError, match=r"5 .* in a row .* value_loss is nan.*still finite"):
        stepper.step(optimizer, {"value_loss": math.nan})


def test_weights_that_were_spoilt_before_are_named():
    weights = parameters(math.nan)
    weights[0].data.fill_(math.nan)
    stepper = OptimizerStep({"gradient_norm": weights}, max_norm=1.0)
    optimizer = torch.optim.SGD(weights, lr=1.0)
    for _ in range(4):
        stepper.step(optimizer, {"loss": math.nan})
    with pytest.raises(NotFiniteError, match="weights themselves"):
        stepper.step(optimizer, {"loss": math.nan})


def test_the_learning_rate_rises_before_it_falls():
    group = {"peak": 8.0}
    schedule, rates = CosineSchedule(end=0.25, warmup=0.25), []
    for eighth in range(9):
        schedule.apply(SimpleNamespace(param_groups=[group]), eighth / 8)
        rates.append(group["lr"])
    # A quarter of the way up from 0; then from 8 to 2, whose middle is 5 at five eighths.
    assert rates[:3] == [0.0, 4.0, 8.0]
    assert rates[5] == pytest.approx(5.0)
    assert rates[4] == pytest.approx(5 + 3 * math.cos(math.pi / 3))
    assert rates[8] == pytest.approx(2.0)


def test_warm_up_counts_the_optimizer_steps_of_ppo(make_policy, tmp_path):
    policy = make_policy(max_new_tokens=4)
    # An update has 12 steps, two minibatches and two epochs: four optimizer steps, eight in all.
    settings = config(tmp_path, env=NUMBER_LINE, warmup_steps=3)
    algorithm = PPO(policy, settings, total_steps=24)
    used = []
    algorithm.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"])
    )
    rollout = Collector(NUMBER_LINE, 4).collect(policy, 3)
    for _ in range(2):
        update(algorithm, rollout)
    falling = [1e-4 + 0.9e-3 * (1 + math.cos(math.pi * n / 5)) / 2 for n in range(5)]
    assert used == pytest.approx([0, 1e-3 / 3, 2e-3 / 3, *falling])


def test_how_long_to_warm_up():
    assert warmup_steps(TrainingOptions(), 40, usual=4) == 4
    assert warmup_steps(TrainingOptions(warmup_steps=0), 40, usual=4) == 0
    assert warmup_steps(TrainingOptions(warmup_ratio=0.1), 41) == 5, "rounded up"
    assert warmup_steps(TrainingOptions(warmup_ratio=0.9), 2) == 1, "the peak is reached"
    with pytest.raises(ValueError, match="warmup_steps=8, and the training has 8 optimizer steps"):
        warmup_steps(TrainingOptions(warmup_steps=8), 8)
    with pytest.raises(ValueError, match="both say how long"):
        TrainingOptions(warmup_steps=1, warmup_ratio=0.1)
    with pytest.raises(ValueError, match="schedule_updates=3 changes the learning rate once"):
        config(Path("x"), schedule_updates=3, warmup_ratio=0.1)


def test_weight_decay_spares_vectors():
    matrix, vector = (torch.nn.Parameter(torch.full(shape, 2.0)) for shape in ((1, 1), (1,)))
    options = SFTConfig(env="x", out="y", weight_decay=0.5)
    optimizer = make_optimizer([{"params": [matrix, vector]}], options, learning_rate=0.1)
    matrix.grad, vector.grad = torch.ones(1, 1), torch.ones(1)
    optimizer.step()
    # Adam's first step has the size of the learning rate.
    assert matrix.item() == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1)
    assert vector.item() == pytest.approx(2 - 0.1)


def test_moments_in_8_bits():
    pytest.importorskip("bitsandbytes", minversion="0.50")  # earlier ones have no kernel for CPUs
    torch.manual_seed(0)
    start = torch.randn(64, 64)
    moved = []
    for name in ("adamw", "adamw_8bit"):
        weight = torch.nn.Parameter(start.clone())
        options = TrainingOptions(optimizer=name)
        optimizer = make_optimizer([{"params": [weight], "peak": 1.0}], options, 0.01)
        for _ in range(10):
            optimizer.zero_grad()
            (weight - 1).square().sum().backward()
            optimizer.step()
        moved.append(weight.detach() - start)
    assert optimizer.state[weight]["state1"].dtype == torch.uint8
    assert not torch.equal(*moved)
    assert torch.nn.functional.cosine_similarity(*map(torch.ravel, moved), dim=0) > 0.99


def test_moments_in_8_bits_are_checked_for_first(monkeypatch):
    options = TrainingOptions(optimizer="adamw_8bit")
    sharded = SimpleNamespace(is_sharded=True)
    check_optimizer(TrainingOptions(), sharded)
    monkeypatch.setattr(optimizers.importlib.util, "find_spec", lambda name: name)
    check_optimizer(options, Processes())
    with pytest.raises(ValueError, match="sharded weights"):
        check_optimizer(options, sharded)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install bitsandbytes"):
        check_optimizer(options, Processes())
