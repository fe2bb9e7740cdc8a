"""Models that one of several processes reads."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.support.architectures import ARCHITECTURES
from tests.support.launching import launch
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.distributed import weights
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import loading
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def saved(make_policy, tmp_path):
    make_policy().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def second():
    """The second of two processes, which no one else has started."""
    processes = Processes()
    processes.count, processes.rank = 2, 1
    return processes


@pytest.mark.slow
def test_the_first_process_alone_reads(tmp_path):
    found = launch([str(tmp_path), ["LLaVA-1.5"]], script="reading_once")
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("way", ["DDP", "FSDP"])
def test_every_architecture_is_the_same_in_processes_that_do_not_read(tmp_path, documented, way):
    how = {"how": documented} if way == "FSDP" else {}
    found = launch([str(tmp_path), list(ARCHITECTURES)], **how, script="reading_once")
    assert found.returncode == 0, found.stderr


def test_weights_are_read_onto_the_device(saved, monkeypatch):
    expected = weights.outline(VLMPolicy.load(saved).model)
    monkeypatch.setattr(loading, "_device", lambda: torch.device("meta"))
    monkeypatch.setattr(nn.Module, "to", lambda *args: pytest.fail("moved after it was read"))
    model = loading.load_model(str(saved), LoadOptions()).model
    assert all(each.is_meta for each in (*model.parameters(), *model.buffers()))
    assert weights.outline(model) == expected


def test_weights_to_shard_are_read_onto_the_host(saved, second, monkeypatch):
    monkeypatch.setattr(loading, "_device", lambda: torch.device("meta"))
    second.rank, second.is_sharded = 0, True
    model = loading.load_model(str(saved), ModelOptions(), second).model
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_a_model_with_tensors_of_its_own_is_read_by_every_process(saved, second, monkeypatch):
    assert loading.load_model(str(saved), ModelOptions(), second).model.device.type == "meta"
    original = loading.AutoModelForImageTextToText.from_config

    def with_tensor(*args, **kwargs):
        model = original(*args, **kwargs)
        model.model.table = {"of": [torch.zeros(2)]}
        return model

    monkeypatch.setattr(loading.AutoModelForImageTextToText, "from_config", with_tensor)
    assert loading.load_model(str(saved), ModelOptions(), second).model.device.type == "cpu"

    def asking(*args, **kwargs):
        return torch.zeros(()).item()

    monkeypatch.setattr(loading.AutoModelForImageTextToText, "from_config", asking)
    assert loading.load_model(str(saved), ModelOptions(), second).model.device.type == "cpu"


def test_receiving_keeps_ties_and_orders_of_memory(tmp_path):
    with torch.device("meta"):
        module = nn.Module()
        module.first, module.second = nn.Linear(2, 3), nn.Linear(2, 3)
        module.second.weight = module.first.weight
        module.turned = nn.Parameter(torch.empty(3, 2).T, requires_grad=False)
        module.register_buffer("flag", torch.zeros((), dtype=torch.bool), persistent=False)
    before = dict(module.named_parameters())
    assert weights.are_missing(module)
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        weights.receive(module, torch.device("cpu"))
    finally:
        dist.destroy_process_group()
    assert not weights.are_missing(module)
    assert module.second.weight is module.first.weight
    assert all(p is before[name] for name, p in module.named_parameters())
    assert module.turned.stride() == (1, 2)
    assert not module.turned.requires_grad


def test_other_models_have_other_outlines(make_policy):
    policy = make_policy()
    outline = weights.outline(policy)
    assert weights.outline(make_policy()) == outline
    policy.model.lm_head.weight = nn.Parameter(policy.model.lm_head.weight.detach().clone())
    untied = weights.outline(policy)
    assert untied != outline
    policy.value_head.half()
    assert weights.outline(policy) != untied
