"""Callbacks, several environments, and evaluation while training, in runs of a few steps."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import gymnasium as gym
import pytest
import torch

from tests.support.killed import outcome, settings
from tests.vlm_agent.training.saving.test_resume import stop_after
from vlm_agent.cli.main import main
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.environments import make_env
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny
from vlm_agent.training.hooks import Callback
from vlm_agent.training.own_objects import OwnObjects
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.saving.checkpoints import find_checkpoint
from vlm_agent.training.saving.tensor_tree import read_tree
from vlm_agent.training.sft.trainer import resume_sft, train_sft

ROOT = Path(__file__).parents[4]
NUMBER_LINE, BLACKJACK = "gym_cards/NumberLine-v0", "gym_cards/Blackjack-v0"
CODE = re.findall(
    r"^```python\n(.*?)^```$",
    (ROOT / "docs/training/callbacks.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)[0]
SHORT = {
    "total_steps=10_240": "total_steps=16, num_envs=2, rollout_steps=2, minibatch_size=4, "
    "micro_batch_size=2, ppo_epochs=1, max_new_tokens=4, temperature=1.0, eval_episodes=1",
    "eval_every=2048": "eval_every=8",
    '{"max_position": 9}': '{"max_position": 2}',
    "Curriculum([3, 5, 9])": "Curriculum([3, 5, 9], threshold=0.0)",
}


@pytest.fixture(scope="module")
def start(texts, tmp_path_factory):
    """A folder with a model to start from, in its place for the docs and for these tests."""
    folder = tmp_path_factory.mktemp("hooks")
    policy = VLMPolicy(*build_tiny(texts), GenerationConfig(temperature=1.0, max_new_tokens=4))
    policy.save(folder / "start")
    shutil.copytree(folder / "start", folder / "runs" / "sft")
    return folder


def small(start, out, **changes):
    plain = {"imitation_coef": 0.0, "kl_coef": 0.0, "entropy_coef": 0.0, "history_length": 0}
    return settings(start, out, **{**plain, "max_new_tokens": 4, **changes})


def interrupted(monkeypatch, updates, train, *arguments, **options):
    """Ends a training by an error right after an update."""
    with monkeypatch.context() as patch:
        stop_after(patch, updates)
        with pytest.raises(RuntimeError, match="a crash"):
            train(*arguments, **options)
    torch.manual_seed(99)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def test_the_curriculum_of_the_docs_switches_and_resumes_alike(start, monkeypatch):
    """Runs the code of callbacks.md."""
    code = CODE
    for before, now in SHORT.items():
        assert before in code
        code = code.replace(before, now)
    monkeypatch.chdir(start)
    page = {}
    torch.manual_seed(0)
    exec(compile(code, "callbacks.md", "exec"), page)
    curriculum, config = page["Curriculum"], page["config"]
    rows = read_metrics(config.out)
    levels = [row["curriculum/level"] for row in rows]
    ended = [bool(row["rollout/episodes"]) for row in rows]
    assert levels == [min(2, sum(ended[: number + 1])) for number in range(4)]
    assert levels[-1] > 0
    lines = Path(config.out, "trajectories", "episodes.jsonl").read_text().splitlines()
    played = {json.loads(line)["kwargs"]["max_position"] for line in lines}
    assert 3 in played
    assert [row["eval/success_rate"] is None for row in rows] == [True, False] * 2

    other = dataclasses.replace(config, out="runs/other")
    torch.manual_seed(0)
    callbacks = [curriculum([3, 5, 9], threshold=0.0)]
    interrupted(monkeypatch, 3, train_ppo, other, callbacks=callbacks)
    with pytest.raises(ValueError, match="with the callbacks Curriculum, and none are given"):
        resume_ppo(other.out)
    resume_ppo(other.out, callbacks=[curriculum([3, 5, 9], threshold=0.0)])
    assert outcome(other.out) == outcome(config.out)
    assert files(Path(other.out, "best")) == files(Path(config.out, "best"))


class Shift(Callback):
    """Gives the second environment more weight after the second update; knows what happened."""

    def __init__(self):
        self.seen, self.updates = [], 0

    def on_train_start(self, training):
        self.seen.append("start")

    def on_rollout_end(self, training, rollout):
        self.seen.append(f"rollout of {len(rollout)}")

    def on_update_end(self, training):
        self.updates += 1
        if training.updates == 2:
            training.set_env_weights(1, 3)

    def on_checkpoint(self, training):
        self.seen.append(f"checkpoint {training.step}")

    def on_train_end(self, training):
        self.seen.append("end")

    def state_dict(self):
        return {"updates": self.updates}

    def load_state_dict(self, state):
        self.updates = state["updates"]


class Drawing(gym.Wrapper):
    """Draws from torch's global generator, as other people's environments may."""

    def reset(self, **options):
        torch.rand(1)
        return super().reset(**options)


def larger(**kwargs):
    return Drawing(make_env(NUMBER_LINE, size=90, **kwargs))


OWN = {
    "env": [larger, BLACKJACK],
    "prompt": lambda observation, cot: f"{observation.task.description} Answer!",
}
MIXED = {
    "num_envs": 4,
    "rollout_steps": 1,
    "env": ("own:larger", BLACKJACK),
    "env_kwargs": ({"max_position": 3}, {}),
    "keep_checkpoints": 4,
}


@pytest.fixture(scope="module")
def mixed(start):
    """A run with objects of its own in all places, and its callback."""
    options = small(start, "mixed", **MIXED)
    shift = Shift()
    policy = VLMPolicy.load(start / "start", options=options)
    torch.manual_seed(0)
    train_ppo(options, policy=policy, callbacks=[shift], **OWN)
    return options, shift


def test_own_objects_and_several_environments_in_one_rollout(mixed):
    options, shift = mixed
    rows = read_metrics(options.out)
    names = ("rollout/larger/steps", "rollout/Blackjack-v0/steps")
    assert [[row[name] for name in names] for row in rows] == [[2, 2], [2, 2], [1, 3], [1, 3]]
    assert shift.seen[:3] == ["start", "rollout of 4", "checkpoint 4"]
    assert shift.seen[-2:] == ["checkpoint 16", "end"]
    saved = json.loads(Path(options.out, "run.json").read_text())
    assert saved["env"] == ["own:larger", BLACKJACK]
    assert saved["prompt"] == f"own:_lambda_.{identity_of(OWN['prompt'], whole=True)}"
    assert saved["model"] == options.model, "a checkpoint holds the policy"
    lines = Path(options.out, "trajectories", "episodes.jsonl").read_text().splitlines()
    episodes = [json.loads(line) for line in lines]
    found = {each["env"]: each["kwargs"] for each in episodes}
    assert found.items() <= {"own:larger": {"max_position": 3}, BLACKJACK: {}}.items()
    assert all(step["prompt"].endswith(" Answer!") for each in episodes for step in each["steps"])


def test_what_was_given_in_python_is_given_again(mixed, start, monkeypatch, capsys):
    options = dataclasses.replace(mixed[0], out=str(start / "again"))
    torch.manual_seed(0)
    policy = VLMPolicy.load(start / "start", options=options)
    interrupted(monkeypatch, 3, train_ppo, options, policy=policy, callbacks=[Shift()], **OWN)
    assert main(["ppo", "--resume", options.out]) == 1
    assert "own:larger, gym_cards/Blackjack-v0: give what it was" in capsys.readouterr().err
    envs = OWN["env"]
    for given, message in (
        ({"env": [larger, NUMBER_LINE]}, "and own:larger, gym_cards/NumberLine-v0 was given"),
        ({"env": envs}, "the callbacks Shift, and none are given"),
        ({"env": envs, "callbacks": [Callback()]}, "Shift, and Callback are given"),
    ):
        with pytest.raises(ValueError, match=message):
            resume_ppo(options.out, **given)
    shift = Shift()
    resume_ppo(options.out, callbacks=[shift], **OWN)
    assert shift.updates == 4, "it goes on from its own state"
    assert outcome(options.out) == outcome(mixed[0].out)


def test_evaluation_ends_a_run_without_touching_it_and_it_can_be_extended(mixed, start, capsys):
    evaluated = small(
        start,
        "evaluated",
        **{**MIXED, "env": (NUMBER_LINE, BLACKJACK)},
        eval_every=4,
        eval_episodes=2,
        eval_temperature=0.0,
        early_stopping_patience=1,
    )
    torch.manual_seed(0)
    policy = VLMPolicy.load(start / "start", options=evaluated)
    train_ppo(evaluated, policy=policy, **OWN)
    assert "stopping after 8 steps: no improvement in 1 evaluations" in capsys.readouterr().err
    rows, plain = read_metrics(evaluated.out), read_metrics(mixed[0].out)
    assert len(rows) == 2
    for row, other in zip(rows, plain, strict=False):
        kept = {name: row[name] for name in other if not name.startswith(("time/", "system/"))}
        assert kept == {name: other[name] for name in kept}
        both = sum(row[f"eval/{label}/success_rate"] for label in ("larger", "Blackjack-v0"))
        assert row["eval/success_rate"] == both / 2
        assert row["eval/episodes"] == 4
        assert row["eval/success_low"] <= row["eval/success_rate"] <= row["eval/success_high"]
    checkpoint = Path(mixed[0].out, "checkpoints", "step-000000008", "policy")
    assert files(Path(evaluated.out)) == files(checkpoint)
    # Before the callback changes an environment, which draws when it is reset.
    one, other = (
        read_tree(Path(run.out, "checkpoints", "step-000000004"), "training")["own"][0]["random"]
        for run in (evaluated, mixed[0])
    )
    assert torch.equal(one["torch"], other["torch"])
    best = Path(evaluated.out, "best")
    assert json.loads((best / "evaluation.json").read_text())["step"] == 4
    first = Path(mixed[0].out, "checkpoints", "step-000000004", "policy")
    assert files(best) == files(first)
    VLMPolicy.load(best)

    resume_ppo(evaluated.out, **OWN)
    assert len(read_metrics(evaluated.out)) == 2, "it is over"
    with pytest.raises(ValueError, match="total_steps=12 for a run of 16: a run can be extended"):
        resume_ppo(evaluated.out, total_steps=12, **OWN)
    resume_ppo(evaluated.out, total_steps=32, **OWN)
    rows = read_metrics(evaluated.out)
    assert [row["step"] for row in rows] == [4, 8, 12], "as patient as before"
    end = evaluated.final_learning_rate / evaluated.learning_rate
    for row, total in zip(rows, (16, 16, 32), strict=True):
        cosine = 0.5 * (1 + math.cos(math.pi * row["step"] / total)) * (1 - end) + end
        assert row["train/learning_rate"] == pytest.approx(evaluated.learning_rate * cosine)
    assert json.loads(Path(evaluated.out, "run.json").read_text())["total_steps"] == 32
    assert find_checkpoint(evaluated.out, "ppo").step == 12


SFT = {
    "env": (NUMBER_LINE, BLACKJACK),
    "env_weights": (1, 3),
    "batch_size": 4,
    "micro_batch_size": 2,
    "samples": 8,
    "max_new_tokens": 4,
    "checkpoint_every": 1,
    "eval_every": 8,
    "eval_episodes": 1,
    "learning_rate": 1e-3,
}


def test_fine_tuning_in_several_environments(start, monkeypatch):
    options = SFTConfig(**SFT, model=str(start / "start"), out=str(start / "taught"))
    torch.manual_seed(0)
    train_sft(options)
    rows = read_metrics(options.out)
    for row in rows:
        own = [row["train/NumberLine-v0/loss"], row["train/Blackjack-v0/loss"]]
        assert min(own) < row["train/loss"] < max(own)
    assert [row["eval/success_rate"] is None for row in rows] == [True, False]
    assert (Path(options.out) / "best" / "policy.json").is_file()
    expected = outcome(options.out)

    other = dataclasses.replace(options, out=str(start / "taught again"))
    torch.manual_seed(0)
    interrupted(monkeypatch, 1, train_sft, other)
    resume_sft(other.out)
    assert outcome(other.out) == expected

    assert main(["sft", "--resume", options.out, "--samples", "16"]) == 0
    found = [row["train/learning_rate"] for row in read_metrics(options.out)]
    cosine = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    assert found[2:] == pytest.approx([1e-3 * (0.01 + 0.99 * each) for each in cosine[2:]])


class Misspelt:
    def on_step(self, training):
        """Nothing calls it."""


def test_weights_and_arguments_wait_for_environments_of_python():
    options = {"out": "out", "env_weights": (1, 2), "env_kwargs": ({}, {"decks": 1})}
    for config in (PPOConfig(model="m", num_envs=3, **options), SFTConfig(**options)):
        own = OwnObjects(env=[larger, BLACKJACK]).named(config, type(config))
        assert own.env == ("own:larger", BLACKJACK)
        with pytest.raises(ValueError, match="2 values for 1 environments"):
            OwnObjects(env=larger).named(config, type(config))
    with pytest.raises(ValueError, match="is an environment: expected its id, or a function"):
        OwnObjects(env=larger()).named(PPOConfig(out="out", model="m"), PPOConfig)


def test_a_run_is_not_replaced_by_one_that_cannot_begin(start, tmp_path):
    old = small(start, "old")
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text("{}")
    for wrong, message in (
        ({"eval_every": 4, "eval_env": "a/B-v0"}, "no environment"),
        ({"warmup_steps": 1000}, "expected fewer"),
    ):
        config = dataclasses.replace(old, out=str(out), overwrite=True, **wrong)
        with pytest.raises(ValueError, match=message):
            train_ppo(config)
    assert (out / "run.json").read_text() == "{}"


def test_what_is_no_callback_is_refused(start):
    options = small(start, "refused")
    for wrong, message in ((Misspelt(), "has on_step"), (Callback, "is no"), (object(), "is no")):
        with pytest.raises(ValueError, match=f"{message}.*: expected .*on_update_end"):
            train_ppo(options, callbacks=[wrong])
    assert not Path(options.out).exists()


def test_a_policy_that_the_options_do_not_fit_is_refused(start):
    policy = VLMPolicy.load(start / "start")
    with pytest.raises(ValueError, match="lora=True, and the policy has no adapter"):
        train_ppo(small(start, "refused", lora=True), policy=policy)
    policy.model.half()
    with pytest.raises(ValueError, match=r"torch\.float16: expected float32"):
        train_ppo(small(start, "refused"), policy=policy)
