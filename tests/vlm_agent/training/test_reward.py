"""Reward teaches: policies play better after reinforcement learning, whatever the algorithm."""

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
        {
            "stop_value_gradient": True,
            "total_steps": 1024,
            "rollout_steps": 4,
            "learning_rate": 5e-4,
        },
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
        ppo_epochs=2,
        minibatch_size=64,
        micro_batch_size=64,
        final_learning_rate=1e-6,
        normalise_advantages=False,
        illegal_penalty=1.0,
        **{"total_steps": 2048, "rollout_steps": 8, "learning_rate": 2e-4, **algorithm},
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
