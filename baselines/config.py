"""The options of a training, one dataclass for each algorithm, and what suits each environment."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from baselines.checks import (
    check_least,
    check_not_negative,
    check_positive,
    check_share,
)
from baselines.view import Text
from vlm_agent.config.values import JsonObject

Algorithm = Literal["ppo", "dqn", "recurrent-ppo", "maskable-ppo"]


@dataclass(kw_only=True)
class BaselineConfig:
    """What all algorithms have in common.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        out: Directory of the run; by default runs/ENV-ALGORITHM-seedN.
        seed: Of the network, of the training episodes and of the moves.
        total_steps: Steps of all environments together; a last rollout may go over it.
        num_envs: Environments played side by side.
        picture_size: Height and width in pixels of the pictures that the network sees.
        text: What it sees beside the picture: none; given, what a prompt tells too, such as the
            formula so far; or state, which leaves nothing to be read off the picture.
        text_length: Bytes of the text at most.
        features: Numbers that the network makes of a picture.
        centre_steps: Random steps in each environment from whose pictures a mean picture is made,
            which the network subtracts; 0 for none. They do not count as steps of training.
        gamma: Discount.
        learning_rate: At the start; it falls linearly.
        final_learning_rate: At the end.
        minibatch_size: Steps an update of the network.
        max_grad_norm: Gradient norm to clip to.
        eval_every: Steps between evaluations; 0 for one at the end.
        eval_episodes: Episodes an evaluation, the same as those of `vlm-agent eval --seed 0`.
        checkpoint_every: Steps between checkpoints, from which --resume goes on.
        device: Where the network runs: cpu, cuda, or auto.
        progress: Show a progress bar.
    """

    algorithm: ClassVar[Algorithm]

    env: str
    env_kwargs: JsonObject = field(default_factory=dict)
    out: str | None = None
    seed: int = 0
    total_steps: int = 15_000
    num_envs: int = 16
    picture_size: int = 100
    text: Text = "none"
    text_length: int = 64
    features: int = 256
    centre_steps: int = 32
    gamma: float = 0.9
    learning_rate: float = 5e-4
    final_learning_rate: float = 1e-5
    minibatch_size: int = 64
    max_grad_norm: float = 0.5
    eval_every: int = 0
    eval_episodes: int = 1000
    checkpoint_every: int = 10_000
    device: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        check_least(self, 1, "total_steps", "num_envs", "text_length", "features")
        check_least(self, 36, "picture_size")  # fewer are none after three convolutions
        check_least(self, 2, "minibatch_size")
        check_least(self, 1, "eval_episodes", "checkpoint_every")
        check_share(self, "gamma")
        check_positive(self, "learning_rate", "max_grad_norm")
        check_not_negative(self, "seed", "centre_steps", "final_learning_rate", "eval_every")

    @property
    def directory(self) -> Path:
        """Where the run is kept."""
        name = self.env.rpartition("/")[2].rpartition("-v")[0] or self.env
        return Path(self.out or f"runs/{name}-{self.algorithm}-seed{self.seed}")

    def record(self) -> dict[str, Any]:
        """All options and the algorithm, for JSON."""
        return {"algorithm": self.algorithm, **asdict(self)}


@dataclass(kw_only=True)
class PPOConfig(BaselineConfig):
    """Trains a network by proximal policy optimisation.

    Args:
        rollout_steps: Steps of each environment between updates.
        epochs: Passes over a rollout.
        gae_lambda: Of the advantages' estimate.
        clip: How far a ratio may move from 1.
        entropy_coef: Weight of a bonus for the entropy of the policy.
        value_coef: Weight of the value loss.
    """

    algorithm: ClassVar[Algorithm] = "ppo"

    rollout_steps: int = 32
    epochs: int = 10
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_coef: float = 0.01
    value_coef: float = 0.5

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
        check_least(self, 1, "rollout_steps", "epochs")
        check_share(self, "gae_lambda")
        check_positive(self, "clip")
        check_not_negative(self, "entropy_coef", "value_coef")
        if self.num_envs * self.rollout_steps % self.minibatch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size}: expected a divisor of num_envs x "
                f"rollout_steps = {self.num_envs * self.rollout_steps}"
            )


@dataclass(kw_only=True)
class RecurrentPPOConfig(PPOConfig):
    """Trains a network with a memory by proximal policy optimisation.

    Args:
        memory_size: Numbers that the network carries from step to step.
    """

    algorithm: ClassVar[Algorithm] = "recurrent-ppo"

    memory_size: int = 128

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
        check_least(self, 1, "memory_size")


@dataclass(kw_only=True)
class MaskablePPOConfig(PPOConfig):
    """Trains a network by proximal policy optimisation, with moves that are refused left out.

    What is refused is what the environment's `info["action_mask"]` says; without one, every move is
    allowed. In the points games the mask tells which numbers are on the cards and not used yet, so
    that less is left to be read off the picture than other players have to read.
    """

    algorithm: ClassVar[Algorithm] = "maskable-ppo"


@dataclass(kw_only=True)
class DQNConfig(BaselineConfig):
    """Trains a network by deep Q-learning.

    Args:
        buffer_size: Steps that are remembered.
        learning_starts: Random steps before the first update.
        train_every: Steps of each environment between updates.
        gradient_steps: Minibatches an update.
        target_every: Steps after which the target network is renewed.
        exploration_share: The share of the training in which random moves become rare.
        exploration_final: How many moves are random from then on, as a share.
    """

    algorithm: ClassVar[Algorithm] = "dqn"

    buffer_size: int = 20_000
    learning_starts: int = 1000
    train_every: int = 1
    gradient_steps: int = 4
    target_every: int = 500
    exploration_share: float = 0.5
    exploration_final: float = 0.02

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
        check_least(self, 1, "buffer_size", "train_every", "gradient_steps", "target_every")
        check_not_negative(self, "learning_starts")
        check_share(self, "exploration_share", "exploration_final")
        check_positive(self, "exploration_share")


CONFIGS: dict[Algorithm, type[BaselineConfig]] = {
    "ppo": PPOConfig,
    "dqn": DQNConfig,
    "recurrent-ppo": RecurrentPPOConfig,
    "maskable-ppo": MaskablePPOConfig,
}

# By the game that an id begins with; what an algorithm has no option for is left out.
_LARGE = {"minibatch_size": 128, "epochs": 4, "learning_rate": 3e-4, "entropy_coef": 0.02}
TUNED: dict[str, dict[str, Any]] = {
    "NumberLine": {"picture_size": 60},
    "Blackjack": {"picture_size": 75, "total_steps": 30_000, **_LARGE},
    "EZPoints": {"picture_size": 75, "text": "given", **_LARGE},
    "Points24": {"picture_size": 75, "text": "given", **_LARGE},
}


def tuned(env: str, algorithm: Algorithm) -> dict[str, Any]:
    """The options that suit an environment, without those that have their defaults.

    Args:
        env: An id; one that nothing is known of gets the defaults.
        algorithm: Which options there are.

    Raises:
        ValueError: If there is no such algorithm.
    """
    if algorithm not in CONFIGS:
        raise ValueError(f"algorithm={algorithm!r}: expected one of {', '.join(CONFIGS)}")
    names = {each.name for each in fields(CONFIGS[algorithm])}
    game = env.rpartition("/")[2]
    for prefix, options in TUNED.items():
        if game.startswith(prefix):
            return {name: value for name, value in options.items() if name in names}
    return {}


def from_record(record: dict[str, Any]) -> BaselineConfig:
    """The configuration that `record` wrote down.

    Raises:
        ValueError: If the record has another algorithm, or other options.
    """
    options = dict(record)
    algorithm = options.pop("algorithm", None)
    if algorithm not in CONFIGS:
        raise ValueError(f"algorithm={algorithm!r}: expected one of {', '.join(CONFIGS)}")
    kind = CONFIGS[algorithm]
    unknown = sorted(set(options) - {each.name for each in fields(kind)})
    if unknown:
        raise ValueError(f"unknown options {unknown} of {algorithm}")
    return kind(**options)
