"""Different policies and functions of the same name are not mixed in one evaluation."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from tests.support.mini_benchmark import MINI
from tests.vlm_agent.evaluation.test_progress_log import CutOffError, stop_after
from vlm_agent.core.environments import make_env
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.types import Reply
from vlm_agent.evaluation.benchmark import Player, run_benchmark
from vlm_agent.evaluation.comparison import compare
from vlm_agent.evaluation.evaluate import evaluate

NUMBER_LINE = "gym_cards/NumberLine-v0"


class Net(torch.nn.Module):
    def __init__(self, dtype=torch.float32):
        super().__init__()
        numbers = torch.arange(15.0).reshape(3, 5)
        self.weight = torch.nn.Parameter(numbers.to(dtype))


class Threshold:
    """Plays up until a bound."""

    side = "+"

    def __init__(self, bound, model=None):
        self.bound = bound
        self.model = model
        self._asked = 0

    def act(self, observations):
        self._asked += len(observations)
        up = observations[0].actions.index(self.side)
        return [
            Reply("", up if int(each.state["current number"]) < self.bound else 1 - up)
            for each in observations
        ]


class Wrapper:
    def __init__(self, policy):
        self.policy = policy


def up(observation):
    return observation.actions.index("+")


def bounded(low, high=5):
    return lambda observation: (low, high)


def shifted(model):
    with torch.no_grad():
        model.weight[2, 4] += 1
    return model


def swapped(model):
    with torch.no_grad():
        model.weight[0] = model.weight[0].flip(0)
    return model


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Net(), shifted(Net())),
        (Net(), swapped(Net())),
        (Net(torch.bfloat16), shifted(Net(torch.bfloat16))),
        (Threshold(1, Net()), Threshold(1, shifted(Net()))),
        (Threshold(1, Wrapper(Net())), Threshold(1, Wrapper(shifted(Net())))),
        (Threshold(1), Threshold(2)),
        (Threshold(np.zeros(3)), Threshold(np.ones(3))),
        (lambda o: o.actions.index("+"), lambda o: o.actions.index("-")),
        (lambda o: o.actions, lambda o: o.state),
        (lambda o: up(o), lambda o: bounded(o)),
        (lambda o: [up(e) for e in o], lambda o: [bounded(e) for e in o]),
        (bounded(1), bounded(2)),
        (bounded(Net()), bounded(shifted(Net()))),
        (bounded({"a": [1]}), bounded({"a": [2]})),
        (lambda o, n=1: n, lambda o, n=2: n),
        (partial(make_env, NUMBER_LINE, max_position=3), partial(make_env, NUMBER_LINE)),
        (Threshold(1).act, Threshold(2).act),
    ],
)
def test_what_differs_has_another_identity(one, other):
    assert identity_of(one) != identity_of(other)


def test_words_and_ids_have_none():
    assert identity_of("random") is None


def test_playing_does_not_change_a_policy_that_only_counts():
    policy = Threshold(3, Net())
    before = identity_of(policy)
    evaluate(policy, NUMBER_LINE, episodes=3)
    assert identity_of(policy) == before == identity_of(Threshold(3, Net()))
    itself = []
    itself.append(itself)
    assert identity_of(bounded(itself)) == identity_of(bounded(itself))
    make = partial(make_env, NUMBER_LINE)
    before = identity_of(make)
    make().close()
    assert identity_of(make) == before


def test_views_and_scalars_have_an_identity():
    whole = torch.arange(11, dtype=torch.uint8)
    assert identity_of(bounded(whole[3:])) == identity_of(bounded(whole[3:].clone()))
    assert identity_of(bounded(whole[3:])) != identity_of(bounded(whole[2:-1]))
    assert identity_of(bounded(torch.tensor(1.0))) != identity_of(bounded(torch.tensor(2.0)))
    assert identity_of(bounded(torch.empty(3, device="meta")))
    assert identity_of(bounded(torch.empty(0)))


def test_an_identity_is_the_same_in_another_process():
    code = (
        "from tests.vlm_agent.evaluation.test_identity import *\n"
        "played = lambda o: o in {'a', 'b', 'c'} and up(o)\n"
        "print(*map(identity_of, (Net(), Threshold(2, Net()), bounded(object()), played)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def always(action):
    return lambda observation: action


def up_to(position):
    return lambda: make_env(NUMBER_LINE, max_position=position)


def halved(policy):
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.mul_(0.5)
    return policy


def test_an_evaluation_is_not_continued_by_other_weights(make_policy, tmp_path):
    arguments = {"env": NUMBER_LINE, "episodes": 4, "num_envs": 4}
    expected = evaluate(halved(make_policy()), **arguments)
    path = tmp_path / "progress"
    with pytest.raises(CutOffError):
        evaluate(make_policy(), **arguments, progress=path, on_step=stop_after(10))
    assert evaluate(halved(make_policy()), **arguments, progress=path) == expected


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((up, up_to(3)), (up, up_to(20))),
        ((always(0), up_to(3)), (always(1), up_to(3))),
        ((Threshold(2), NUMBER_LINE), (Threshold(4), NUMBER_LINE)),
    ],
)
def test_neither_are_calls_with_other_functions_or_settings(before, now, tmp_path):
    path, json = tmp_path / "progress", tmp_path / "records.jsonl"

    (old, old_env), (new, new_env) = before, now
    arguments = {"episodes": 6, "num_envs": 2}
    expected = evaluate(new, new_env, **arguments, name="it")
    assert expected != evaluate(old, old_env, **arguments, name="it")
    with pytest.raises(CutOffError):
        evaluate(old, old_env, **arguments, name="it", progress=path, on_step=stop_after(8))
    assert evaluate(new, new_env, **arguments, name="it", progress=path) == expected
    next(compare({"it": old, "b": "random"}, old_env, **arguments, json=json))
    assert next(compare({"it": new, "b": "random"}, new_env, **arguments, json=json)) == expected


def test_a_comparison_continues_though_a_function_has_changed_by_playing(tmp_path):
    """The function in a new process encloses nothing yet, as it did before the first episode."""

    def remembering():
        seen = []

        def act(observation):
            seen.append(observation.state)
            return len(seen) % 2

        return act

    several = [NUMBER_LINE, "gym_cards/EZPoints-v0"]
    arguments = {"episodes": 2, "json": tmp_path / "records.jsonl"}
    plays = compare({"it": remembering(), "b": "random"}, several, **arguments)
    known = [next(plays), next(plays)]
    plays.close()
    again = compare({"it": remembering(), "b": "random"}, several, **arguments)
    assert [next(again), next(again)] == known


def test_a_task_of_a_benchmark_is_not_continued_by_other_weights(tmp_path):
    class Failing(Net):
        asked = 0

        def act(self, observations):
            self.asked += 1
            if self.asked > 3:
                raise CutOffError
            return [Reply("", 0) for _ in observations]

    def play(policy):
        with pytest.raises(CutOffError):
            run_benchmark(
                Player("me", policy, "me"), MINI, MINI.tasks[:1], tmp_path / "me.json", num_envs=2
            )
        (log,) = tmp_path.glob("*.progress")
        return log.read_text().count('"about"')

    assert [play(Failing()), play(Failing()), play(shifted(Failing()))] == [1, 1, 2]


def test_inherited_methods_and_object_arrays_count():
    def kind(answer):
        base = type("Base", (), {"act": lambda self, observations: answer})
        return type("Mine", (base,), {})()

    assert identity_of(kind(1)) == identity_of(kind(1)) != identity_of(kind(2))
    holder = Threshold(3)
    holder.tables = np.array(None, dtype=object)
    assert identity_of(holder)
