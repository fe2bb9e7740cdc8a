"""What callbacks log and change, without a training."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.distributed.processes import Processes
from vlm_agent.training.hooks.callback import Callback, Training
from vlm_agent.training.hooks.hooks import Hooks
from vlm_agent.training.ppo_config import PPOConfig

ENV = EnvSpec("gym_cards/NumberLine-v0", {"max_position": 3}, label="NumberLine-v0")


@pytest.fixture
def config():
    return PPOConfig(env=ENV.env, model="m", out="out")


@pytest.fixture
def training(config):
    return Training(config, None, [ENV], 4, may_change=True)


class Logging(Callback):
    """Logs one metric in every hook, and sees the row of the last update."""

    def __init__(self):
        self.seen = []

    def on_train_start(self, training):
        training.log({"mine/start": 1})

    def on_rollout_end(self, training, rollout):
        self.seen.append(training.metrics.get("train/loss"))
        training.log({"mine/rollout": training.updates})

    def on_update_end(self, training):
        training.log({"mine/update": training.updates})

    def on_checkpoint(self, training):
        self.seen.append(training.metrics["train/loss"])
        training.log({"mine/checkpoint": training.updates})


def test_what_is_logged_in_any_hook_is_in_the_row_of_its_update(config):
    callback = Logging()
    policy = SimpleNamespace(policy=None)
    hooks = Hooks(config, policy, [ENV], 12, Processes(), callbacks=[callback], num_envs=1)
    rows = []
    hooks.started(0, 0)
    for update in (1, 2, 3):
        hooks.rollout_ended(None)
        rows.append(dict(hooks.updated(4 * update, update, {"train/loss": update / 2})))
        hooks.checkpointed(True)
    names = ("start", "rollout", "update", "checkpoint")
    found = [[row.get(f"mine/{name}") for name in names] for row in rows]
    assert found == [[1, 0, 1, None], [None, 1, 2, 1], [None, 2, 3, 2]]
    assert [row["train/loss"] for row in rows] == [0.5, 1.0, 1.5]
    assert callback.seen == [None, 0.5, 0.5, 1.0, 1.0, 1.5]


def test_names_that_are_taken_are_refused(training):
    training.log({"mine": 1})
    with pytest.raises(ValueError, match="mine is logged already"):
        training.log({"mine": 2})
    with pytest.raises(ValueError, match="step is logged already"):
        training.log({"step": 7})
    training.log({"train/loss": 3})
    with pytest.raises(ValueError, match="train/loss is logged already"):
        training.begin_row({"train/loss": 1})
    with pytest.raises(ValueError, match="metrics=.*expected names and their numbers"):
        training.log([("mine", 1)])


def test_numbers_of_numpy_and_torch_are_logged(training):
    values = [np.float32(0.5), np.int64(2), np.bool_(True), torch.tensor(1.5), 3, 2.5, None]
    training.begin_row({})
    training.log({str(number): value for number, value in enumerate(values)})
    assert json.loads(json.dumps(training.end_row())) == dict(
        zip("0123456", [0.5, 2, True, 1.5, 3, 2.5, None], strict=True)
    )
    for wrong in ("3", [1], np.ones(3), torch.ones(3), object()):
        with pytest.raises(ValueError, match="mine is .*: expected a number, or None"):
            training.log({"mine": wrong})


def test_arguments_of_environments_are_what_json_holds(training, config):
    training.set_env_kwargs(ENV.label, max_position=np.int64(7))
    (spec,) = training.environments
    assert json.dumps(spec.kwargs) == '{"max_position": 7}'
    with pytest.raises(ValueError, match="max_position is .*, which JSON cannot hold"):
        training.set_env_kwargs(ENV.label, max_position={1, 2})
    given = {"env": config.env, "model": "m", "out": "out"}
    changed = PPOConfig(**given, env_kwargs={"max_position": np.int64(7), "a": [np.float64(1)]})
    assert json.dumps(changed.env_kwargs) == '{"max_position": 7, "a": [1.0]}'
    with pytest.raises(ValueError, match=r"env_kwargs=.*: a is .*, which JSON cannot hold"):
        PPOConfig(**given, env_kwargs=({"a": object()},))
