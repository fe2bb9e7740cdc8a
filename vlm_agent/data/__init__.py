"""Replies to learn from, recorded episodes, and their conversion into fine-tuning data."""

from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.export import export_episodes
from vlm_agent.data.recordings import RecordedDemonstrator, Recording, read_recordings
from vlm_agent.data.trajectory_format import EpisodeRecord, StepRecord, TrajectoryError
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.data.trajectory_writer import EpisodeRecorder, PlayedStep, TrajectoryWriter

__all__ = [
    "Demonstrator",
    "EpisodeRecord",
    "EpisodeRecorder",
    "PlayedStep",
    "RecordedDemonstrator",
    "Recording",
    "StepRecord",
    "TrajectoryError",
    "TrajectoryWriter",
    "export_episodes",
    "read_recordings",
    "read_trajectories",
]
