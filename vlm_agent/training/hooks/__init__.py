"""What happens between updates: callbacks, and evaluation while training."""

from vlm_agent.training.hooks.callback import Callback, Training

__all__ = ["Callback", "Training"]
