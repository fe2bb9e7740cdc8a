"""Steps of a small module by DeepSpeed in several processes, beside those of an Adam by itself."""

import copy
import math

import torch
from torch import nn

from vlm_agent.processes import Processes
from vlm_agent.sharding import memory_of, whole
from vlm_agent.steps import SavedOptimizer, Stepper

PASSES, ROWS = 3, 4
MAX_NORM = 0.5


class Small(nn.Module):
    """A part and a head, with sizes that cannot be shared out evenly."""

    def __init__(self):
        super().__init__()
        self.part = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
        self.head = nn.Linear(3, 1)

    def forward(self, x, *, head_alone):
        found = self.part(x)
        return self.head(found.detach() if head_alone else found)


def adam(module):
    groups = [{"params": list(each.parameters())} for each in (module.part, module.head)]
    return torch.optim.Adam(groups, lr=1e-2)


def clipped(module):
    return {name: list(getattr(module, name).parameters()) for name in ("part", "head")}


def loss(module, x, y, *, head_alone):
    return (module(x, head_alone=head_alone) - y).square().mean()


class Beside:
    """A module that is trained by DeepSpeed, and one that is trained by itself."""

    def __init__(self, start, processes):
        self.alone, self.spread = copy.deepcopy(start), copy.deepcopy(start)
        self.processes = processes
        self.alone_adam = adam(self.alone)
        self.alone_stepper = Stepper(clipped(self.alone), MAX_NORM)
        self.module, self.adam = processes.prepare(self.spread, adam(self.spread))
        self.stepper = Stepper(clipped(self.spread), MAX_NORM, clip=processes.clip)

    def gradient(self, random, *, head_alone=False, wrong=False):
        """Leaves a gradient in both: of all rows of all processes, in three passes."""
        self.alone_adam.zero_grad()
        self.adam.zero_grad()
        rank, count = self.processes.rank, self.processes.count
        x = torch.randn(PASSES, count, ROWS, 5, generator=random)
        y = torch.randn(PASSES, count, ROWS, 1, generator=random)
        if wrong:
            y[1, count - 1] = math.nan  # in one pass of one process
        for number in range(PASSES):
            for each in range(count):
                part = loss(self.alone, x[number, each], y[number, each], head_alone=head_alone)
                (part / count).backward()
            with self.processes.accumulating(self.module, last=number == PASSES - 1):
                part = loss(self.module, x[number, rank], y[number, rank], head_alone=head_alone)
                self.processes.backward(part / count)

    def step(self):
        """Makes a step in both; gives whether it was not left out."""
        expected = self.alone_stepper.step(self.alone_adam, {})
        found = self.stepper.step(self.adam, {})
        if expected is None:
            assert found is None
            return False
        for name in expected:
            assert math.isclose(found[name], expected[name], rel_tol=1e-5), name
        return True

    def compare(self):
        """Weights and moments are those of the module by itself."""
        weights = whole(dict(self.spread.named_parameters()), keep=True)
        for name, parameter in self.alone.named_parameters():
            torch.testing.assert_close(weights[name], parameter, atol=1e-6, rtol=1e-5)
        found = self.adam.state_dict()
        if self.processes.is_main:
            expected = self.alone_adam.state_dict()
            assert found["param_groups"] == expected["param_groups"]
            for number, each in expected["state"].items():
                for name, value in each.items():
                    torch.testing.assert_close(found["state"][number][name], value)


def check():
    """Compares all that happens to steps."""
    processes = Processes()
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(0)  # alike in all processes
    start = Small()
    both = Beside(start, processes)
    for _ in range(2):  # the other group has no gradient, and must not be moved by momentum later
        both.gradient(random, head_alone=True)
        assert both.step()
    both.gradient(random)
    assert both.step()
    both.gradient(random, head_alone=True)
    assert both.step()
    both.compare()
    before = [memory_of(parameter).clone() for parameter in both.spread.parameters()]
    both.gradient(random, wrong=True)
    assert not both.step(), "of a gradient that is not finite"
    both.gradient(random)  # a gradient that is not used at all
    after = [memory_of(parameter) for parameter in both.spread.parameters()]
    assert all(map(torch.equal, before, after))
    for group in (*both.adam.param_groups, *both.alone_adam.param_groups):
        group["lr"] = 3e-3
    both.gradient(random)
    assert both.step()
    both.compare()
    with processes.gathered():
        for one, other in zip(both.spread.parameters(), both.alone.parameters(), strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    both.gradient(random)
    assert both.step()

    # It goes on from what was saved of it.
    saved = processes.gather(SavedOptimizer(both.adam).state_dict())[0]
    again = Beside(both.alone, processes)
    again.alone_adam.load_state_dict(both.alone_adam.state_dict())
    SavedOptimizer(again.adam).load_state_dict(saved)
    again.gradient(random)
    assert again.step()
    again.compare()

    # And from what an Adam by itself saved, which has nothing of a group without gradient.
    both = Beside(start, processes)
    both.gradient(random, head_alone=True)
    assert both.step()
    saved = SavedOptimizer(both.alone_adam).state_dict()
    assert set(saved["state"]) == {"4", "5"}
    again = Beside(both.alone, processes)
    for optimizer in (again.alone_adam, again.adam):
        SavedOptimizer(optimizer).load_state_dict(saved)
    again.gradient(random)
    assert again.step()
    again.compare()
