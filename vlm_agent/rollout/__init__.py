"""The environment loop, collectors of rollouts, and advantage estimates."""

from vlm_agent.rollout.advantages import (
    anchor,
    discounted_returns,
    generalised_advantages,
    relative_to_group,
)
from vlm_agent.rollout.async_collector import AsyncCollector
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.episode_runner import EpisodeRunner, Transition
from vlm_agent.rollout.groups import GroupCollector
from vlm_agent.rollout.metrics import RolloutMetrics

__all__ = [
    "AsyncCollector",
    "Collector",
    "EpisodeRunner",
    "EpisodeSegment",
    "GroupCollector",
    "Rollout",
    "RolloutMetrics",
    "Transition",
    "anchor",
    "discounted_returns",
    "generalised_advantages",
    "relative_to_group",
]
