"""Options of the command `plan`: those of the run to plan, and of the GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.values import OneOrMore, PathText, PositiveFloat, PositiveInt
from vlm_agent.training.ppo_config import PPOConfig


@dataclass(kw_only=True)
class PlanConfig(PPOConfig):
    """Plans the memory of `vlm-agent ppo` with the same options, without loading any weights.

    The model's own code runs on tensors without memory, in the shapes of the longest prompt and
    reply, and what it keeps is counted.

    Args: Plan
        gpus: Number of GPUs, one process each.
        gpu_memory: Memory of each GPU, in GB (10^9 bytes).
        fsdp: Shard the weights over the GPUs (FSDP2); otherwise each GPU has all of them (DDP).
        prompt_tokens: Tokens of a prompt, including those of pictures; by default as long as that
            of a first step in --env with the model's processor.
        suggestions: Also plan runs with other options, which takes longer.
        json: Print the plan as JSON.

    Args: Environment
        env: Environment id, to build a prompt, or several, of which the longest prompt counts; not
            needed with --prompt-tokens.

    Args: Run
        out: Not used: nothing is written.
    """

    env: OneOrMore[str] = ""
    out: PathText = ""
    gpus: PositiveInt = 1
    gpu_memory: PositiveFloat = 80.0
    fsdp: bool = False
    prompt_tokens: PositiveInt | None = None
    suggestions: bool = True
    json: bool = False

    def __post_init__(self) -> None:
        """Refuses options that contradict each other."""
        super().__post_init__()
        if self.engine != "hf" and self.engine_url is None:
            raise ValueError(
                f"engine={self.engine!r}: the memory of an engine in the process is not planned; "
                "leave out --engine, and lower --gpu-memory by its share (--engine-memory)"
            )
        if not self.env and self.prompt_tokens is None:
            raise ValueError("the length of a prompt is not known: give --env, or --prompt-tokens")
        if self.num_envs % self.gpus:
            raise ValueError(
                f"num_envs={self.num_envs} cannot be divided among {self.gpus} GPUs: expected a "
                f"multiple of {self.gpus}"
            )
        if self.fsdp and self.load_in_4bit:
            raise ValueError("weights of 4 bits cannot be sharded: leave out --fsdp")
        if self.fsdp and self.gpus == 1:
            raise ValueError("--fsdp with one GPU: expected --gpus 2 or more")
