"""What frozen modules gave is given again, and nothing that depends on what learns."""

import gc

import pytest
import torch
from torch import nn

from vlm_agent.models.recall import Recall

WIDTH = 7


class Counting(nn.Linear):
    """A layer that counts how often it is computed."""

    def __init__(self, generator):
        super().__init__(WIDTH, WIDTH)
        self.count = 0
        with torch.no_grad():
            self.weight.copy_(torch.randn(WIDTH, WIDTH, generator=generator))

    def forward(self, value):
        self.count += 1
        return super().forward(value)


def layers(count):
    generator = torch.Generator().manual_seed(0)
    made = [Counting(generator) for _ in range(count)]
    return made, torch.randn(5, WIDTH, generator=generator)


def test_frozen_layers_are_computed_once_and_what_learns_has_its_gradient():
    (first, second, learning), value = layers(3)
    for layer in (first, second):
        layer.requires_grad_(False)

    def run():
        return {"features": [learning(second(first(value)).relu())]}

    (expected,) = run()["features"]
    expected.sum().backward()
    gradient, learning.weight.grad = learning.weight.grad, None
    for layer in (first, second):
        layer.count = 0
    recall = Recall(run, [first, second], [learning])
    for _ in range(3):
        (found,) = recall.replay(run)["features"]
        assert torch.equal(found, expected)
    found.sum().backward()
    assert torch.equal(learning.weight.grad, gradient)
    with torch.no_grad():
        learning.weight.mul_(2)
        assert torch.equal(recall.replay(run)["features"][0], run()["features"][0])
    assert (first.count, second.count) == (2, 2), "once for the recall, once for the line above"


@pytest.mark.parametrize("switched_off", [False, True])
def test_a_frozen_layer_behind_what_learns_is_computed_again(switched_off):
    (first, learning, last), value = layers(3)
    first.requires_grad_(False)
    last.requires_grad_(False)

    def run():
        return last(learning(first(value)))

    learning.requires_grad_(not switched_off)
    recall = Recall(run, [first, last], [learning])
    learning.requires_grad_(True)
    with torch.no_grad():
        learning.weight.mul_(2)
    assert torch.equal(recall.replay(run), run())
    recall.replay(run).sum().backward()
    assert learning.weight.grad.abs().sum() > 0
    assert last.count > first.count


def test_nothing_is_kept_of_states_between_frozen_layers():
    (*tower, learning), value = layers(9)
    shape = (501, WIDTH)  # of no other tensor
    value = torch.ones(shape)
    for layer in tower:
        layer.requires_grad_(False)

    def run():
        state, seen = value, []
        for layer in tower:
            state = layer(state)
            seen.append(state)
        return learning(seen[3] + seen[-1])

    def kept():
        gc.collect()
        tensors = (each for each in gc.get_objects() if type(each) is torch.Tensor)
        storages = {t.untyped_storage().data_ptr(): t for t in tensors if t.shape == shape}
        return sum(t.untyped_storage().nbytes() for t in storages.values()) - value.nbytes

    assert kept() == 0
    recall = Recall(run, tower, [learning])
    assert 2 * value.nbytes <= kept() < 2.1 * value.nbytes
    assert torch.equal(recall.replay(run), run())


def test_what_is_written_into_an_output_does_not_stay():
    (first, learning), value = layers(2)
    first.requires_grad_(False)

    def run():
        state = first(value)
        state += 1
        return learning(state)

    expected = run()
    recall = Recall(run, [first], [learning])
    for _ in range(2):
        assert torch.equal(recall.replay(run), expected)


def test_modules_are_what_they_were_also_after_an_error():
    (first, learning), value = layers(2)
    first.requires_grad_(False)
    own = learning.forward
    first.forward = own  # as hooks of other libraries do

    def fail():
        first(value)
        raise RuntimeError("as when memory runs out")

    with pytest.raises(RuntimeError, match="memory"):
        Recall(fail, [first], [learning])
    assert vars(first)["forward"] is own
    assert "forward" not in vars(learning)
