"""The note that a training is longer than asked for, because updates are whole."""

from __future__ import annotations

from vlm_agent.config.sft import SFTConfig
from vlm_agent.training.ppo_config import PPOConfig


def rounding_note(config: SFTConfig | PPOConfig, total: int) -> str | None:
    """Returns a sentence on a total that is rounded up by a tenth or more; `None` for less.

    Args:
        config: The options, with a number of samples.
        total: Number of steps or demonstrations of the whole training.
    """
    if isinstance(config, PPOConfig):
        asked = {"total_steps": config.total_steps}
        unit = (
            f"updates of num_envs={config.num_envs} times rollout_steps={config.rollout_steps} "
            "steps"
        )
    else:
        names = ("caption_samples", "samples", "reasoning_samples")
        asked = {name: getattr(config, name) for name in names if getattr(config, name)}
        unit = f"batches of batch_size={config.batch_size}"
    number = sum(asked.values())
    if 10 * total < 11 * number:
        return None
    given = " + ".join(f"{name}={value}" for name, value in asked.items())
    source = "" if isinstance(config, PPOConfig) or config.dataset is None else " of the data set"
    return f"{given}{source} is rounded up to {total}, in whole {unit}"
