"""Learning with earlier steps as a conversation: scored as sampled, and a memory in thoughts."""

import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from tests.support.updates import NUMBER_LINE, config
from vlm_agent.cli.main import main
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.recorder import record_evaluation
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.hooks.evaluation import _Share
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import train_ppo
from vlm_agent.training.sft.trainer import train_sft

REPLIES = {"history": "replies", "history_length": 2}


def test_replies_are_scored_after_the_replies_that_they_were_sampled_after(make_policy):
    policy = make_policy(max_new_tokens=8, **REPLIES)
    collector = Collector(NUMBER_LINE, 2, history_length=2, fit_history=policy.fit_history)
    rollout = collector.collect(policy, 3)
    remembered = [s for o in rollout.observations for s in o.history]
    assert len(remembered) == 2 * (0 + 1 + 2)
    written = {reply.text: reply.tokens for reply in rollout.replies}
    assert {step.reply for step in remembered} <= set(written)
    again = [tuple(policy.encode_reply(step.reply)) for step in remembered]
    assert any(a != written[s.reply] for a, s in zip(again, remembered, strict=True)), (
        "read again, a reply is not the tokens that were sampled; they are the same both times"
    )
    others = [
        dataclasses.replace(
            o, history=tuple(dataclasses.replace(s, reply="+ + +") for s in o.history)
        )
        for o in rollout.observations
    ]

    def apart(observations):
        scores = policy.score(observations, [reply.tokens for reply in rollout.replies])
        rows = zip(scores.log_probs.detach().numpy(), rollout.replies, strict=True)
        return [np.abs(row[: len(r.tokens)] - r.log_probs).max() for row, r in rows]

    assert max(apart(rollout.observations)) < 1e-4
    assert min(apart(others)[2:]) > 0.01, "another context shows"


def test_a_run_trains_saves_shows_and_plays_its_conversations(make_policy, tmp_path, capsys):
    make_policy().save(tmp_path / "start")
    more = {"total_steps": 12, "max_new_tokens": 8, "history_tokens": 300, "record_episodes": 0}
    train_ppo(config(tmp_path, env=NUMBER_LINE, **more, **REPLIES))
    out = tmp_path / "out"
    assert all(row["train/first_ratio_error"] < 1e-3 for row in read_metrics(out))
    for name in ("policy.json", "run.json"):
        saved = json.loads((out / name).read_text())
        found = {key: saved[key] for key in ("history", "history_length", "history_tokens")}
        assert found == {**REPLIES, "history_tokens": 300}

    policy, seen = VLMPolicy.load(out), []
    about = {"name": "x", "env": NUMBER_LINE, "env_kwargs": {}}
    with record_evaluation(tmp_path / "played", policy, **about) as record:
        evaluate(
            policy, NUMBER_LINE, episodes=2, num_envs=2,
            on_step=lambda step: (seen.append(step), record(step)),
        )  # fmt: skip
    replies = {(step.episode, step.index): step.reply.text for step in seen}
    for step in seen:
        kept = [each.reply for each in step.observation.history]
        earlier = range(step.index - len(kept), step.index)
        assert kept == [replies[step.episode, index] for index in earlier]
    assert max(len(step.observation.history) for step in seen) == 2
    recorded = [step for each in read_trajectories(tmp_path / "played") for step in each["steps"]]
    assert {len(step["pictures"]) for step in recorded} == {1, 2, 3}
    for step in recorded:
        earlier = len(step["pictures"]) - 1
        assert step["prompt"].count("[assistant]\n") == earlier
        if earlier:
            roles = [message["role"] for message in step["messages"]]
            assert roles == ["user", *["assistant", "user"] * earlier]
            places = [part["type"] for m in step["messages"] for part in m["content"]]
            assert places.count("image") == earlier + 1

    words = ["show", "--env", NUMBER_LINE, "--picture", str(tmp_path / "x.png")]
    assert main([*words, "--model", str(out)]) == 0
    as_the_model_gets_it = capsys.readouterr().out
    assert as_the_model_gets_it.count("<image>") == 3
    assert as_the_model_gets_it.count('<reply>{"current number"') == 2
    assert main([*words, "--history", "replies", "--history-length", "1"]) == 0
    assert capsys.readouterr().out.count('[assistant]\n{"current number"') == 1


def test_a_run_remembers_its_actions_alone(make_policy, tmp_path, monkeypatch):
    make_policy().save(tmp_path / "start")
    more = {"total_steps": 16, "max_new_tokens": 8, "record_episodes": 0}
    evaluated = []
    act = _Share.act
    monkeypatch.setattr(_Share, "act", lambda *a: evaluated.extend(a[1]) or act(*a))
    more.update(eval_every=8, eval_episodes=2)
    train_ppo(config(tmp_path, env=NUMBER_LINE, history="actions", history_length=3, **more))
    kept = [step.image for each in evaluated for step in each.history]
    assert kept
    assert set(kept) == {None}, "prompts of evaluations are fitted as others"
    assert all(row["train/first_ratio_error"] < 1e-3 for row in read_metrics(tmp_path / "out"))

    policy, seen = VLMPolicy.load(tmp_path / "out"), []
    assert policy.generation_config.history == "actions"
    evaluate(policy, NUMBER_LINE, episodes=2, num_envs=2, on_step=seen.append)
    played = {(s.episode, s.index): s.observation.actions[s.action] for s in seen}
    for step in seen:
        earlier = range(max(0, step.index - 3), step.index)
        assert [each.action for each in step.observation.history] == [
            played[step.episode, index] for index in earlier
        ]
        assert all(each.image is None for each in step.observation.history), "nothing else is kept"
    assert max(len(step.observation.history) for step in seen) == 3


class Cue(gym.Env):
    """Shows a colour, then white pages; waiting twice and then naming the colour wins.

    Whoever names a colour earlier has lost, so that no action hands it on.
    """

    task_description = "A page is red or blue, and then white. Wait twice, then say what it was."
    action_names = ("wait", "red", "blue")

    def __init__(self):
        self.observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)
        self.action_space = spaces.Discrete(3)

    def _moment(self):
        colour = (255, 255, 255) if self.at else [(220, 0, 0), (0, 0, 220)][self.cue]
        info = {"state": {"page": self.action_names[1 + self.cue]}, "is_success": self.won}
        return np.full((32, 32, 3), colour, np.uint8), info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue, self.at, self.won = int(self.np_random.integers(2)), 0, False
        return self._moment()

    def step(self, action):
        self.at += 1
        self.won = self.at == 3 and action == 1 + self.cue
        picture, info = self._moment()
        return picture, float(self.won), self.at == 3 or action != 0, False, info

    def expert(self):
        return (1 + self.cue, "Now.") if self.at == 2 else (0, "Not yet.")


class Turns(gym.Env):
    """White pages; who says red and blue in turn, beginning with red, wins after five steps."""

    task_description = "Say red, then blue, then red, and so on."
    action_names = ("red", "blue")
    observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def _moment(self):
        return np.full((32, 32, 3), 255, np.uint8), {"state": {}, "is_success": self.at == 5}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self._moment()

    def step(self, action):
        right = action == self.at % 2
        self.at += right
        picture, info = self._moment()
        return picture, float(self.at == 5), self.at == 5 or not right, False, info

    def expert(self):
        return self.at % 2, "Now."


class Guessed(Cue):
    """Its expert reads the colour out and guesses in the end."""

    def expert(self):
        if self.at < 2:
            return 0, "Not yet."
        return 1 + int(self.np_random.integers(2)), "Now."


gym.register("tests/Cue-v0", Cue)
gym.register("tests/Guessed-v0", Guessed)
gym.register("tests/Turns-v0", Turns)


class Forgetting:
    """A policy whose earlier replies are erased from its prompts."""

    history_length = 1

    def __init__(self, policy):
        self._policy = policy

    def act(self, observations):
        erased = [tuple(dataclasses.replace(s, reply="") for s in o.history) for o in observations]
        return self._policy.act(
            [dataclasses.replace(o, history=h) for o, h in zip(observations, erased, strict=True)]
        )


@pytest.mark.slow
@pytest.mark.parametrize("history", ["replies", "steps"])
def test_a_memory_in_its_own_replies_wins(tmp_path, history):
    """One earlier step is in a prompt: at the end it shows a white page, and what was said of it.

    So the colour has to be handed on from reply to reply; pictures and actions do not tell it.
    """
    policy = train_sft(
        SFTConfig(
            env="tests/Cue-v0", out=str(tmp_path / "sft"), samples=3072, max_new_tokens=24,
            history=history, history_length=1,
        )
    )  # fmt: skip
    low, high = evaluate(policy, "tests/Cue-v0", episodes=200, num_envs=100).success_interval
    assert low > 0.75 if history == "replies" else high < 0.65, (low, high)
    forgetting = evaluate(Forgetting(policy), "tests/Cue-v0", episodes=200, num_envs=100)
    assert forgetting.success_interval[1] < 0.65


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1])
def test_a_memory_of_its_actions_wins(tmp_path, length):
    history = {"history": "actions", "history_length": 1} if length else {}
    policy = train_sft(
        SFTConfig(
            env="tests/Turns-v0", out=str(tmp_path / "sft"), samples=1024, max_new_tokens=24,
            **history,
        )
    )  # fmt: skip
    found = evaluate(policy, "tests/Turns-v0", episodes=100, num_envs=50).success_rate
    assert found == 1.0 if length else found < 0.2


@pytest.mark.slow
def test_reward_teaches_to_act_on_what_it_remembered(tmp_path):
    start = SFTConfig(
        env="tests/Guessed-v0", out=str(tmp_path / "sft"), samples=3072, max_new_tokens=24,
        history="replies", history_length=1,
    )  # fmt: skip
    before = evaluate(train_sft(start), "tests/Cue-v0", episodes=200, num_envs=100)
    assert before.success_interval[1] < 0.65, before
    settings = PPOConfig(
        env="tests/Cue-v0", model=start.out, out=str(tmp_path / "ppo"), total_steps=3072,
        num_envs=32, rollout_steps=12, ppo_epochs=2, minibatch_size=128, micro_batch_size=64,
        temperature=0.7, max_new_tokens=24, learning_rate=5e-4, final_learning_rate=1e-5,
        illegal_penalty=1.0, normalise_advantages=False, stop_value_gradient=True,
    )  # fmt: skip
    train_ppo(settings)
    policy = VLMPolicy.load(settings.out)
    assert policy.generation_config.history == "replies"
    after = evaluate(policy, "tests/Cue-v0", episodes=200, num_envs=100)
    assert after.success_interval[0] > 0.75, after
