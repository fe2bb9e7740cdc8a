"""Options of every command as dataclasses, read by one parser wherever they come from."""

from vlm_agent.config.files import load_config, packaged_configs, read_options
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.config.options import Options
from vlm_agent.config.sft import SFTConfig

__all__ = [
    "GenerationConfig",
    "LoadOptions",
    "ModelOptions",
    "Options",
    "SFTConfig",
    "load_config",
    "packaged_configs",
    "read_options",
]
