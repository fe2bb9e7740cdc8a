"""Training in several processes with Accelerate, by DDP or FSDP2."""

from vlm_agent.distributed.processes import Processes

__all__ = ["Processes"]
