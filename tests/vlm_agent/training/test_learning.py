"""Policies that have learned something: what they read, and that reward teaches them."""

import dataclasses

import numpy as np
import pytest

from vlm_agent.config.files import load_config, read_options
from vlm_agent.config.sft import SFTConfig
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import train_ppo
from vlm_agent.training.sft.trainer import train_sft

NUMBER_LINE = "gym_cards/NumberLine-v0"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A tiny policy, fine-tuned on the expert's replies, that plays from the picture."""
    out = tmp_path_factory.mktemp("runs") / "sft"
    return train_sft(SFTConfig(env=NUMBER_LINE, out=str(out), samples=4096, max_new_tokens=48))


def test_fine_tuning_teaches_to_read_and_to_play(reader):
    evaluation = evaluate(reader, NUMBER_LINE, episodes=100, num_envs=32)
    assert evaluation.success_rate >= 0.95
    assert evaluation.perception >= 0.95
    assert evaluation.illegal_rate <= 0.05


class ExchangedPictures:
    """The policy, with every observation's picture taken from another environment."""

    def __init__(self, policy):
        self.policy = policy
        self._last = None

    def act(self, observations):
        pictures = [observation.image for observation in observations]
        if len(pictures) == 1:
            pictures = [self._last if self._last is not None else pictures[0], *pictures]
        self._last = pictures[0]
        shifted = pictures[1:] + pictures[:1]
        return self.policy.act(
            [
                dataclasses.replace(observation, image=image)
                for observation, image in zip(observations, shifted, strict=False)
            ]
        )


def test_with_exchanged_pictures_it_falls_to_chance(reader):
    # Whoever sees nothing does best by going one way: the target lies there half of the time.
    blind = evaluate(lambda observation: 1, NUMBER_LINE, episodes=200, num_envs=32)
    assert 0.4 < blind.success_rate < 0.6
    exchanged = evaluate(ExchangedPictures(reader), NUMBER_LINE, episodes=200, num_envs=32)
    assert exchanged.success_rate <= blind.success_interval[1]
    # It reads another game's numbers, of which some agree.
    assert exchanged.perception < 1 / 3


def test_the_state_is_never_seen(reader):
    """Labels may say anything: what a policy writes depends on picture and prompt alone."""

    class WrongLabels:
        def act(self, observations):
            lies = {"current number": "9", "target number": "9"}
            return reader.act([dataclasses.replace(o, state=lies) for o in observations])

    plain = evaluate(reader, NUMBER_LINE, episodes=32, num_envs=32, name="x")
    reader.seed(0)
    assert evaluate(WrongLabels(), NUMBER_LINE, episodes=32, num_envs=32, name="x") == plain


@pytest.fixture(scope="module")
def mover(tmp_path_factory):
    """A tiny policy that moves at random, without reasons."""
    out = tmp_path_factory.mktemp("runs") / "sft"
    train_sft(
        SFTConfig(
            env=NUMBER_LINE, out=str(out), samples=768, cot=False, random_share=1.0,
            max_new_tokens=8,
        )
    )  # fmt: skip
    return str(out)


@pytest.mark.parametrize(
    "algorithm",
    [
        {"stop_value_gradient": True},
        pytest.param(
            {
                "algorithm": "vl-dac",
                "value_warmup": 1,
                "kl_coef": 0.01,
                "gamma": 0.9,
                "max_grad_norm": 0.5,
            },
            marks=pytest.mark.slow,
        ),
        # With 2,048 steps these two end within the interval of the start.
        pytest.param(
            {"algorithm": "grpo", "thought_coef": 0.5, "kl_coef": 0.0, "total_steps": 4096},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "algorithm": "gigpo",
                "thought_coef": 0.5,
                "kl_coef": 0.0,
                "gamma": 0.9,
                "total_steps": 4096,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["ppo", "vl-dac", "grpo", "gigpo"],
)
def test_reward_teaches(tmp_path, mover, algorithm):
    """A policy that moves at random learns by reward alone, in a third party's environment that
    is found through its id and in which "+" is always right."""
    settings = PPOConfig(
        env="upward:upward/Upward-v0",
        model=mover,
        out=str(tmp_path / "ppo"),
        cot=False,
        temperature=0.5,
        max_new_tokens=8,
        num_envs=32,
        rollout_steps=8,
        ppo_epochs=2,
        minibatch_size=64,
        micro_batch_size=64,
        learning_rate=2e-4,
        final_learning_rate=1e-6,
        normalise_advantages=False,
        illegal_penalty=1.0,
        **{"total_steps": 2048, **algorithm},
    )

    def success(directory):
        # At temperature 1, where the start has no preference that it could win or lose by.
        policy = VLMPolicy.load(directory, temperature=1.0)
        return evaluate(policy, settings.env, episodes=200, num_envs=32).success_interval

    before = success(mover)
    train_ppo(settings)
    after = success(settings.out)
    assert after[0] > before[1], (before, after)


@pytest.mark.slow
def test_guided_thoughts_teach(tmp_path):
    """A policy that reads but decides at random learns by reward and from corrected thoughts."""
    start = load_config(SFTConfig, "numberline-tiny", "sft", out=str(tmp_path / "sft"))
    train_sft(start)
    options = read_options(PPOConfig, "numberline-tiny", "ppo")
    options.update(algorithm="gtr", model=start.out, out=str(tmp_path / "ppo"), total_steps=5120)
    settings = PPOConfig(**options)
    train_ppo(settings)
    before, after = (
        evaluate(VLMPolicy.load(run), NUMBER_LINE, episodes=200, num_envs=32).success_interval
        for run in (start.out, settings.out)
    )
    assert after[0] > before[1], (before, after)


@pytest.fixture(autouse=True)
def upward_module(tmp_path, monkeypatch):
    """A third party's package with an environment of its own, found through its id."""
    (tmp_path / "upward.py").write_text(
        "import gymnasium as gym\n"
        "import gym_cards\n"
        "class Upward(gym.Wrapper):\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        self.env.reset(seed=seed)\n"
        "        low = int(self.unwrapped.np_random.integers(4))\n"
        "        return self.env.reset(options={'current': low, 'target': low + 2})\n"
        "gym.register('upward/Upward-v0',\n"
        "    lambda **kwargs: Upward(gym.make('gym_cards/NumberLine-v0', **kwargs)))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_interrupted_rollouts_do_not_share_pictures(reader):
    """Pictures handed to a policy stay as they were when it replied."""
    seen = []
    evaluate(
        reader, NUMBER_LINE, episodes=8, num_envs=4,
        on_step=lambda step: seen.append((step.observation.image, step.observation.image.copy())),
    )  # fmt: skip
    assert all(np.array_equal(now, then) for now, then in seen)
