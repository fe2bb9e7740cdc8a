"""Any Hugging Face vision-language model as a policy: inputs, generation, scoring, loading."""

from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.places import check_name
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.models.tiny import build_tiny
from vlm_agent.models.training_state import load_training_state, training_state
from vlm_agent.models.value_head import ValueHead

__all__ = [
    "GatheredPolicy",
    "Scores",
    "VLMPolicy",
    "ValueHead",
    "build_tiny",
    "check_name",
    "load_training_state",
    "training_state",
]
