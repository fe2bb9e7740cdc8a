"""Names of models: the hub is asked once, and not again where it cannot be reached."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from tests.support import hub as stand_in
from vlm_agent.cli.main import main
from vlm_agent.config.model import ModelOptions
from vlm_agent.models.places import asking_hub
from vlm_agent.models.policy import VLMPolicy

NAME = "someone/model"
ENV = "gym_cards/NumberLine-v0"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """A function after which nothing answers at the hub's address, and nobody may wait for it."""

    def cut():
        def waits(seconds):
            raise AssertionError("the client retries")

        stand_in.use(monkeypatch, NOWHERE, tmp_path / "hub", token=None)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waits)

    return cut


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    """A hub with one model, without any file of vlm-agent's."""
    with stand_in.running() as hub:
        stand_in.use(monkeypatch, hub.url, tmp_path / "hub", token=None)
        hub.repositories[NAME] = stand_in.Repository()
        own = ("policy.json", "value_head.safetensors")
        files = {f.name: f.read_bytes() for f in saved.iterdir() if f.name not in own}
        hub.repositories[NAME].commit("main", files)
        yield hub


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "--env", ENV, "--policy"],
        ["merge", "--out", "merged", "--model"],
        ["plan", "--env", ENV, "--model"],
        ["ppo", "--env", ENV, "--out", "out", "--model"],
        ["serve"],
        ["sft", "--env", ENV, "--out", "out", "--model"],
        ["show", "--env", ENV, "--model"],
    ],
)
def test_a_mistyped_path_without_network_is_one_line(words, unreachable, capfd):
    unreachable()
    assert main([*words, "runs/nothing"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"there is no directory runs/nothing here, and {NOWHERE}" in lines[0]
    assert "cannot be reached" in lines[0]
    assert "check the path or name, or the network" in lines[0]


def test_a_mistyped_path_in_offline_mode(unreachable, monkeypatch):
    unreachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"no directory runs/nothing here, .* unset HF_HUB"):
        VLMPolicy.load("runs/nothing")


def test_a_name_that_the_hub_does_not_have(hub):
    with pytest.raises(FileNotFoundError, match=r"no directory runs/nothing here.*has no model"):
        VLMPolicy.load("runs/nothing")
    assert hub.asked == [("HEAD", "/runs/nothing/resolve/main/config.json")]
    with pytest.raises(FileNotFoundError, match=r"no directory my model here.*no name on the hub"):
        VLMPolicy.load("my model")


def test_a_busy_hub_is_asked_again(monkeypatch):
    asked = []

    def answer(url, retry_on_errors=False):
        asked.append(retry_on_errors)
        if not retry_on_errors:
            response = SimpleNamespace(status_code=503, headers={}, request=None)
            raise HfHubHTTPError("busy", response=response)

    monkeypatch.setattr("vlm_agent.models.places.get_hf_file_metadata", answer)
    with asking_hub(NAME):
        assert asked == [False, True]
        assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("offline", [False, True])
def test_a_model_in_the_cache_is_loaded_without_network(hub, unreachable, monkeypatch, offline):
    expected = VLMPolicy.load(NAME)
    unreachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    loaded = VLMPolicy.load(NAME)
    for name, weight in expected.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight)
    assert constants.HF_HUB_OFFLINE is offline
    assert main(["plan", "--model", NAME, "--env", ENV, "--no-suggestions"]) == 0


def test_an_adapter_of_a_model_on_the_hub_without_network(hub, unreachable, tmp_path):
    VLMPolicy.load(NAME, options=ModelOptions(lora=True, lora_rank=2)).save("adapter")
    unreachable()
    assert VLMPolicy.load("adapter").has_adapter
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(ConnectionError, match=f"no directory {NAME} here.*cannot be reached"):
        VLMPolicy.load("adapter")
