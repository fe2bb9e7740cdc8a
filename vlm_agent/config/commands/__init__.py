"""Options of the smaller commands, a file each."""

from vlm_agent.config.commands.benchmark import BenchmarkConfig
from vlm_agent.config.commands.check import CheckConfig
from vlm_agent.config.commands.demo import DemoConfig
from vlm_agent.config.commands.export import ExportConfig
from vlm_agent.config.commands.merge import MergeConfig
from vlm_agent.config.commands.openenv import OpenEnvConfig
from vlm_agent.config.commands.play import PlayConfig
from vlm_agent.config.commands.pull import PullConfig
from vlm_agent.config.commands.push import PushConfig
from vlm_agent.config.commands.report import ReportConfig
from vlm_agent.config.commands.serve import ServeConfig
from vlm_agent.config.commands.show import ShowConfig

__all__ = [
    "BenchmarkConfig",
    "CheckConfig",
    "DemoConfig",
    "ExportConfig",
    "MergeConfig",
    "OpenEnvConfig",
    "PlayConfig",
    "PullConfig",
    "PushConfig",
    "ReportConfig",
    "ServeConfig",
    "ShowConfig",
]
