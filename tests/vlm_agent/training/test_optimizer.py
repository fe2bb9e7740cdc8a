import math

import pytest
import torch

from vlm_agent.training.optimizer import NotFiniteError, OptimizerStep


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
