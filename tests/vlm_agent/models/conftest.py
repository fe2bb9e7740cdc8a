import pytest
import torch

from vlm_agent.config.model import ModelOptions
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def saved(make_policy, tmp_path):
    """The directory of a tiny model."""
    make_policy().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def small_adapter(saved, tmp_path):
    """An adapter whose changes of weights are far below the precision of bfloat16."""
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2))
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(1e-4 * torch.randn(parameter.shape))
    policy.save(tmp_path / "adapter")
    return tmp_path / "adapter"
