"""Models behind an OpenAI-compatible API as policies, and a server that offers a policy as one."""

from vlm_agent.serving.api_client import ApiError, Spending
from vlm_agent.serving.api_model import ApiGenerationConfig, ApiModel
from vlm_agent.serving.players import api_finder
from vlm_agent.serving.server import serving

__all__ = ["ApiError", "ApiGenerationConfig", "ApiModel", "Spending", "api_finder", "serving"]
