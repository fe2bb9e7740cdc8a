"""A policy that has learned by fine-tuning: what it reads and does not see."""

import dataclasses

import numpy as np
import pytest

from vlm_agent.config.sft import SFTConfig
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.training.sft.trainer import train_sft

NUMBER_LINE = "gym_cards/NumberLine-v0"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A tiny policy, fine-tuned on the expert's replies, that plays from the picture."""
    out = tmp_path_factory.mktemp("runs") / "sft"
    options = {"samples": 2560, "optimizer": "muon", "learning_rate": 3e-3}
    return train_sft(SFTConfig(env=NUMBER_LINE, out=str(out), max_new_tokens=48, **options))


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


def test_interrupted_rollouts_do_not_share_pictures(reader):
    """Pictures handed to a policy stay as they were when it replied."""
    seen = []
    evaluate(
        reader, NUMBER_LINE, episodes=8, num_envs=4,
        on_step=lambda step: seen.append((step.observation.image, step.observation.image.copy())),
    )  # fmt: skip
    assert all(np.array_equal(now, then) for now, then in seen)
