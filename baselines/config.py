"""Options of training, one dataclass per algorithm, and defaults for each environment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from baselines.runs import CONFIG_FILE
from baselines.view import Text
from vlm_agent.config.options import Options
from vlm_agent.config.values import (
    Bounds,
    Fraction,
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
)

Algorithm = Literal["ppo", "dqn", "recurrent-ppo", "maskable-ppo"]


@dataclass(kw_only=True)
class BaselineConfig(Options):
    """Options of all algorithms.

    Args: Run
        out: Directory of the run; by default runs/ENV-ALGORITHM-seedN.
        total_steps: Total number of environment steps; the last rollout may exceed it.
        seed: Random seed of weights, training episodes and actions.
        eval_every: Steps between evaluations; 0 evaluates only at the end.
        eval_episodes: Episodes per evaluation, the same as those of `vlm-agent eval --seed 0`.
        checkpoint_every: Steps between checkpoints, from which --resume continues.
        device: Device of the network: cpu, cuda, or auto, which is cuda where there is a GPU.
        progress: Show a progress bar.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        num_envs: Number of environments played in parallel.

    Args: Network
        picture_size: Height and width in pixels of the pictures that the network sees.
        text: What the network sees in addition to the picture: none; given, the part of the
            state that prompts also contain, such as the formula so far; or state, all of it, so
            that nothing has to be read from the picture.
        text_length: Maximum length of the text in bytes.
        features: Number of features of a picture.
        centre_steps: Random steps in each environment for the mean picture, which the network
            subtracts; 0 for none. They do not count as training steps.

    Args: Optimisation
        gamma: Discount factor.
        learning_rate: Initial learning rate; it decays linearly.
        final_learning_rate: Final learning rate.
        minibatch_size: Steps per minibatch.
        max_grad_norm: Maximum norm of gradients, which are clipped to it.
    """

    algorithm: ClassVar[Algorithm]

    env: str
    env_kwargs: JsonObject = field(default_factory=dict)
    out: PathText | None = None
    seed: NonNegativeInt = 0
    total_steps: PositiveInt = 15_000
    num_envs: PositiveInt = 16
    picture_size: Annotated[int, Bounds(36)] = 100  # smaller ones vanish after three convolutions
    text: Text = "none"
    text_length: PositiveInt = 64
    features: PositiveInt = 256
    centre_steps: NonNegativeInt = 32
    gamma: Fraction = 0.9
    learning_rate: PositiveFloat = 5e-4
    final_learning_rate: NonNegativeFloat = 1e-5
    minibatch_size: Annotated[int, Bounds(2)] = 64
    max_grad_norm: PositiveFloat = 0.5
    eval_every: NonNegativeInt = 0
    eval_episodes: PositiveInt = 1000
    checkpoint_every: PositiveInt = 10_000
    device: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuses devices that this machine does not have."""
        super().__post_init__()
        if self.device not in ("auto", "cpu"):
            _check_device(self.device)

    @property
    def directory(self) -> Path:
        """Directory of the run."""
        name = self.env.rpartition("/")[2].rpartition("-v")[0] or self.env
        return Path(self.out or f"runs/{name}-{self.algorithm}-seed{self.seed}")

    def record(self) -> dict[str, Any]:
        """Returns all options and the algorithm, for JSON."""
        return {"algorithm": self.algorithm, **asdict(self)}


@dataclass(kw_only=True)
class PPOConfig(BaselineConfig):
    """Trains a network with proximal policy optimization (PPO).

    Args: PPO
        rollout_steps: Steps of each environment between updates.
        ppo_epochs: Passes over a rollout.
        gae_lambda: λ of generalized advantage estimation.
        clip_range: Clipping range of the probability ratio.
        entropy_coef: Weight of the entropy bonus.
        value_coef: Weight of the value loss.
    """

    algorithm: ClassVar[Algorithm] = "ppo"

    rollout_steps: PositiveInt = 32
    ppo_epochs: PositiveInt = 10
    gae_lambda: Fraction = 0.95
    clip_range: PositiveFloat = 0.2
    entropy_coef: NonNegativeFloat = 0.01
    value_coef: NonNegativeFloat = 0.5

    def __post_init__(self) -> None:
        """Refuses minibatches that do not divide a rollout."""
        super().__post_init__()
        if self.num_envs * self.rollout_steps % self.minibatch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size}: expected a divisor of num_envs x "
                f"rollout_steps = {self.num_envs * self.rollout_steps}"
            )


@dataclass(kw_only=True)
class RecurrentPPOConfig(PPOConfig):
    """Trains a recurrent network with PPO.

    Args: Network
        memory_size: Size of the LSTM's hidden state.
    """

    algorithm: ClassVar[Algorithm] = "recurrent-ppo"

    memory_size: PositiveInt = 128


@dataclass(kw_only=True)
class MaskablePPOConfig(PPOConfig):
    """Trains a network with PPO that masks actions.

    Masks are those of the environment's `info["action_mask"]`; without one, every action is
    allowed. In the points games the mask reveals which numbers are on the cards and unused, so that
    less has to be read off the picture than by other players.
    """

    algorithm: ClassVar[Algorithm] = "maskable-ppo"


@dataclass(kw_only=True)
class DQNConfig(BaselineConfig):
    """Trains a network with deep Q-learning (DQN).

    Args: DQN
        buffer_size: Size of the replay buffer in steps.
        learning_starts: Random steps before the first update.
        train_every: Steps of each environment between updates.
        gradient_steps: Minibatches per update.
        target_every: Steps between updates of the target network.
        exploration_share: Share of training over which the rate of random actions decays.
        exploration_final: Rate of random actions after that.
    """

    algorithm: ClassVar[Algorithm] = "dqn"

    buffer_size: PositiveInt = 20_000
    learning_starts: NonNegativeInt = 1000
    train_every: PositiveInt = 1
    gradient_steps: PositiveInt = 4
    target_every: PositiveInt = 500
    exploration_share: PositiveFraction = 0.5
    exploration_final: Fraction = 0.02


CONFIGS: dict[Algorithm, type[BaselineConfig]] = {
    "ppo": PPOConfig,
    "dqn": DQNConfig,
    "recurrent-ppo": RecurrentPPOConfig,
    "maskable-ppo": MaskablePPOConfig,
}

# By the beginning of an id's name; options that an algorithm lacks are ignored.
_LARGE = {"minibatch_size": 128, "ppo_epochs": 4, "learning_rate": 3e-4, "entropy_coef": 0.02}
TUNED: dict[str, dict[str, Any]] = {
    "NumberLine": {"picture_size": 60},
    "Blackjack": {"picture_size": 75, "total_steps": 30_000, **_LARGE},
    "EZPoints": {"picture_size": 75, "text": "given", **_LARGE},
    "Points24": {"picture_size": 75, "text": "given", **_LARGE},
}


def tuned(env: str, algorithm: Algorithm) -> dict[str, Any]:
    """Returns tuned options of an environment that differ from the defaults.

    Args:
        env: An id; an unknown one has none.
        algorithm: The algorithm, which determines the options.

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


def read_config(directory: Path, **changes: Any) -> BaselineConfig:
    """Returns the configuration of a run, with some of its options replaced.

    Raises:
        FileNotFoundError: If it is not the directory of a run.
        ValueError: If its `baseline.json` is damaged, or has an option that is wrong here; names
            the file.
    """
    file = directory / CONFIG_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"{directory} holds no {CONFIG_FILE}: expected the directory of a run of this command"
        )
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return from_record({**record, **changes} if isinstance(record, dict) else record)
    except ValueError as error:
        raise ValueError(
            f"{file}: {error}. Correct the file, or start a new run in another directory"
        ) from error


def from_record(record: Any) -> BaselineConfig:
    """Returns the configuration that `record` described.

    Raises:
        ValueError: If it is no such record, or the algorithm or an option is unknown.
    """
    if not isinstance(record, dict) or "env" not in record:
        raise ValueError(f"expected an object of options with env, not {record!r:.80}")
    options = dict(record)
    algorithm = options.pop("algorithm", None)
    if algorithm not in CONFIGS:
        raise ValueError(f"algorithm={algorithm!r}: expected one of {', '.join(CONFIGS)}")
    kind = CONFIGS[algorithm]
    unknown = sorted(set(options) - {each.name for each in fields(kind)})
    if unknown:
        raise ValueError(f"unknown options {unknown} of {algorithm}")
    return kind(**options)


def _check_device(name: str) -> None:
    """Refuses a device that torch cannot use; Stable-Baselines3 would use the CPU instead."""
    import torch  # not at the top, because --help does not need it

    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:  # the latter by torch without CUDA
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"device={name!r}: {reason}; expected auto, cpu, or the name of a GPU in this machine, "
            "such as cuda"
        ) from error
