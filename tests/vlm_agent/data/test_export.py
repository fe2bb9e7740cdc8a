import json
import sys

import pytest
from PIL import Image

from tests.support.report_data import recorded_episode, recorded_step, recording
from vlm_agent.cli.main import main
from vlm_agent.config.commands import ExportConfig
from vlm_agent.data.export import export_episodes


@pytest.fixture
def episodes(tmp_path):
    """Two won steps (one in a run's folder), an illegal, a lost, and one without reply."""
    steps = [recorded_step(), recorded_step("?", parsed_action=None), recorded_step("")]
    recording(tmp_path / "a", [recorded_episode(steps), recorded_episode(won=False)])
    recording(tmp_path / "b" / "trajectories", [recorded_episode(reply="é</s>")])
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_conversations_of_llava(episodes, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", *episodes, "--out", str(out)]) == 0
    assert "2 samples" in capsys.readouterr().out
    samples = json.loads((out / "conversations.json").read_text())
    assert [sample["conversations"][1]["value"] for sample in samples] == [
        recorded_step()["reply"],
        "é</s>",
    ]
    for sample in samples:
        assert sample["conversations"][0] == {"from": "human", "value": "<image>\nCount."}
        assert Image.open(out / sample["image"]).size == (12, 12)
    assert len({sample["id"] for sample in samples}) == 2


def test_a_data_set_of_hugging_face(episodes, tmp_path):
    import datasets

    out = tmp_path / "out"
    config = ExportConfig(episodes, str(out), form="datasets", episodes="all", illegal=True)
    assert export_episodes(config) == 4
    data = datasets.load_from_disk(str(out))
    assert [row["messages"][1]["content"][0]["text"] for row in data] == [
        recorded_step()["reply"],
        "?",
        recorded_step()["reply"],
        "é</s>",
    ]
    question = data[0]["messages"][0]
    assert question["role"] == "user"
    assert [part["type"] for part in question["content"]] == ["image", "text"]
    assert question["content"][1]["text"] == "Count."
    assert data[0]["images"][0].getpixel((0, 0)) == (40, 40, 40)


def test_several_pictures_of_a_step(tmp_path):
    step = recorded_step()
    recording(tmp_path / "a", [recorded_episode([recorded_step(), step])])
    path = tmp_path / "a" / "episodes.jsonl"
    episode = json.loads(path.read_text())
    first, second = episode["steps"]
    second["pictures"] = first["pictures"] + second["pictures"]
    path.write_text(json.dumps(episode))
    export_episodes(ExportConfig((str(tmp_path / "a"),), str(tmp_path / "out")))
    sample = json.loads((tmp_path / "out" / "conversations.json").read_text())[1]
    assert sample["image"] == second["pictures"]
    assert sample["conversations"][0]["value"] == "<image>\n<image>\nCount."


def test_mistakes_leave_nothing_behind(episodes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    recording(tmp_path / "lost", [recorded_episode(won=False)])
    assert main(["export", str(tmp_path / "lost"), "--out", str(out)]) == 1
    assert "no step is left to learn from" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["export", *episodes, "--out", str(out), "--form", "datasets"]) == 1
    assert "pip install datasets" in capsys.readouterr().err
    assert not out.exists()
    assert main(["export", *episodes, "--out", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
