"""Options of every command: dataclasses, YAML recipes and the command line.

`vlm_agent.config.options` explains how options are declared, and `vlm_agent.config.values` lists
their types.
"""

from vlm_agent.config.api import ApiOptions
from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.files import load_config, packaged_configs, read_options
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.config.options import Options
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.sft import SFTConfig

__all__ = [
    "ApiOptions",
    "EvalConfig",
    "GenerationConfig",
    "LoadOptions",
    "ModelOptions",
    "OptionParser",
    "Options",
    "PromptOptions",
    "SFTConfig",
    "load_config",
    "packaged_configs",
    "read_options",
]
