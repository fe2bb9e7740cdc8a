"""Tools that follow a training: what they get, and that none of them can end it."""

import importlib.util
import json
import socket
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.killed import settings
from vlm_agent.cli.main import main
from vlm_agent.core.run_directory import TRACKING_FILE, read_metrics
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.training import reporters as tools
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.reporters import ReporterGroup, make_reporters, sample_steps
from vlm_agent.training.saving.run import Run


class Notes:
    """A reporter that notes what it gets, and can be told to fail."""

    def __init__(self, fails=None, error=None):
        self.heard, self.fails = [], fails
        self.error = error or RuntimeError("no connection")

    def _note(self, *what):
        self.heard.append(what)
        if what[: len(self.fails or [0, 0, 0])] == self.fails:
            raise self.error

    def start(self, directory, config, resumed):
        self._note("start", resumed, str(directory), config)

    def log(self, step, metrics):
        self._note("log", step, metrics)

    def episodes(self, step, episodes):
        self._note("episodes", step, episodes)

    def finish(self, completed):
        self._note("finish", completed)


def test_a_reporter_follows_a_run_that_is_resumed(make_policy, tmp_path):
    make_policy().save(tmp_path / "start")
    plain = {"imitation_coef": 0.0, "kl_coef": 0.0, "entropy_coef": 0.0, "history_length": 0}
    config = settings(tmp_path, "run", **plain, total_steps=8, report_to=("none",))
    first, second = Notes(("log", 8), KeyboardInterrupt()), Notes()
    with pytest.raises(KeyboardInterrupt):
        train_ppo(config, reporters=[first])
    resume_ppo(config.out, reporters=[second])
    assert not Path(config.out, "tensorboard").exists()
    assert first.heard[0][:3] == ("start", None, config.out)
    options = json.loads(Path(config.out, "run.json").read_text())
    assert json.loads(json.dumps(first.heard[0][3])) == options
    assert second.heard[0][:2] == ("start", 4)
    assert first.heard[-1] == ("finish", False)
    assert second.heard[-1] == ("finish", True)
    rows = read_metrics(config.out)
    logged = [what for what in (*first.heard[:-2], *second.heard) if what[0] == "log"]
    assert [step for _, step, _ in logged] == [4, 8]
    for (_, step, metrics), row in zip(logged, rows, strict=True):
        known = {name: value for name, value in row.items() if value is not None}
        assert {**metrics, "step": step} == known
    shown = [e for what in (*first.heard, *second.heard) if what[0] == "episodes" for e in what[2]]
    assert shown == list(read_trajectories(config.out))


def test_a_reporter_that_fails_is_left_out(tmp_path):
    failing, other = Notes(("log", 4)), Notes()
    group = ReporterGroup([failing, other])
    group.start(tmp_path, {}, None)
    with pytest.warns(UserWarning, match="Notes failed at step 4 .* no connection"):
        group.log(4, {"a": 1.0, "unknown": None, "infinite": float("inf")})
    group.log(8, {"a": 2.0})
    group.episodes(8, [])
    group.finish(True)
    group.finish(False)
    assert [what[0] for what in failing.heard] == ["start", "log"]
    assert other.heard[1:] == [("log", 4, {"a": 1.0}), ("log", 8, {"a": 2.0}), ("finish", True)]


def test_a_reporter_that_cannot_start_leaves_no_run(make_policy, tmp_path):
    from tests.support.updates import config

    other, failing = Notes(), Notes(("start",))
    with pytest.raises(RuntimeError, match="no connection"):
        Run(tmp_path / "out", config(tmp_path), reporters=[other, failing])
    assert other.heard[-1] == ("finish", False)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_installed_is_named_first(tmp_path, monkeypatch, capsys):
    assert make_reporters(["none"]) == []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        tools.importlib.util, "find_spec", lambda name: None if name == "trackio" else find(name)
    )
    words = ["--env", "no/Environment-v0", "--out", str(tmp_path / "out")]
    assert main(["ppo", "--model", "nowhere", *words, "--report-to", "trackio"]) == 1
    said = capsys.readouterr().err
    assert "report_to=trackio needs trackio, which is not installed: pip install trackio" in said
    assert main(["sft", *words, "--report-to", "tensorboard", "trackio"]) == 1
    assert "pip install trackio" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for wrong in (["none", "wandb"], ["wandb", "wandb"], []):
        with pytest.raises(SystemExit):
            main(["sft", *words, "--report-to", *wrong])


# ----- the tools themselves ----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """The directory of a run with two pictures, and an episode with both."""
    directory = tmp_path / "runs" / "game"
    pictures = directory / "trajectories" / "pictures"
    pictures.mkdir(parents=True)
    for name, colour in (("a", 10), ("b", 200)):
        Image.fromarray(np.full((20, 30, 3), colour, np.uint8)).save(pictures / f"{name}.png")
    step = {"prompt": "Which?", "actions": ["-", "+"], "played_action": 1, "parsed_action": 1}
    replies = ('{"action": "+"}', "a | b\n*c*")
    steps = [
        {**step, "pictures": [f"pictures/{name}.png"], "reply": reply, "reward": reward}
        for name, reply, reward in zip("ab", replies, (-0.5, 1.0), strict=True)
    ]
    steps[1]["parsed_action"] = None
    return directory, {"number": 3, "success": True, "steps": steps}


def followed(tool, run):
    """Follows a run with a tool, that is killed after step 8 and resumed from step 4."""
    directory, episode = run
    config = {"env": "gym_cards/NumberLine-v0", "total_steps": 8, "lora_parts": ["vision"]}
    group = ReporterGroup(make_reporters([tool]))
    group.start(directory, config, None)
    group.log(4, {"train/loss": 1.5, "unknown": None})
    group.episodes(4, [episode])
    group.log(8, {"train/loss": 1.25})
    group.finish(False)
    path = directory / TRACKING_FILE
    known = path.read_text() if path.is_file() else None
    group = ReporterGroup(make_reporters([tool]))
    group.start(directory, config, 4)
    group.log(8, {"train/loss": 1.0})
    group.finish(True)
    assert (path.read_text() if path.is_file() else None) == known, "the same run"
    return json.loads(known)[tool] if known else None


@pytest.fixture
def offline(monkeypatch):
    """Lets this process reach no other machine."""
    connect = socket.socket.connect

    def connected(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"{address} was asked for")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connected)


def test_tables_end_where_they_grow_too_large(run):
    directory, episode = run
    long = {**episode, "steps": episode["steps"] * 7}
    rows = list(sample_steps(directory, [long, {**long, "number": 4}]))
    assert [(row.episode, row.step) for row in rows[13:]] == [(3, 14), (4, 1), (4, 2)]
    assert (rows[0].action, rows[0].named, rows[1].named) == ("+", True, False)


def test_tensorboard(run):
    assert followed("tensorboard", run) is None
    events = EventAccumulator(str(run[0] / "tensorboard")).Reload()
    logged = [(each.step, each.value) for each in events.Scalars("train/loss")]
    assert logged == [(4, 1.5), (8, 1.0)], "what was logged after the checkpoint is replaced"
    table = events.Tensors("episodes/text_summary")[0].tensor_proto.string_val[0].decode()
    assert table.splitlines()[2] == r'| 01 | {"action": "+"} | + | -0.5 | True |'
    assert table.splitlines()[3] == r"| 02 | a \| b \*c\* | + (random) | 1 | True |"
    assert events.Images("episodes/02")[0].width == 30


@pytest.mark.slow
def test_wandb(run, tmp_path, monkeypatch, offline):
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    known = followed("wandb", run)
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    assert all(file.name == f"run-{known['id']}.wandb" for file in files), "parts of one run"
    rows, configs, artifacts = [], [], []
    for file in files:
        data, place = file.read_bytes(), 7  # after the file's header
        while place < len(data):
            size = int.from_bytes(data[place + 4 : place + 6], "little")
            record = wandb_internal_pb2.Record.FromString(data[place + 7 : place + 7 + size])
            place += 7 + size
            configs += [{u.key: json.loads(u.value_json) for u in record.run.config.update}]
            items = {".".join(i.nested_key) or i.key: i.value_json for i in record.history.item}
            rows += [items] if items else []
            artifacts += [each.local_path for each in record.artifact.manifest.contents]
    logged = [(r["step"], r["train/loss"]) for r in rows if "train/loss" in r]
    assert logged == [("4", "1.5"), ("8", "1.25"), ("8", "1")]
    assert any(config.get("total_steps") == 8 for config in configs)
    (file,) = tmp_path.glob("wandb/offline-run-*/files/media/table/*.json")
    table = json.loads(file.read_text())
    assert table["columns"] == list(tools.SampleStep._fields)
    assert [row[4] for row in table["data"]] == ['{"action": "+"}', "a | b\n*c*"]
    heads = [Path(path).read_bytes()[:4] for path in artifacts]
    assert heads.count(b"\x89PNG") == 2, "the table's artifact holds the pictures"


@pytest.mark.slow
def test_trackio(run, tmp_path, monkeypatch, offline):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for name in [name for name in sys.modules if name.split(".")[0] == "trackio"]:
        monkeypatch.delitem(sys.modules, name)  # the folder is that of when it was imported
    pytest.importorskip("trackio")
    known = followed("trackio", run)
    assert known["name"].startswith("runs-game-")
    (path,) = tmp_path.rglob("vlm-agent.db")
    with sqlite3.connect(path) as database:
        found = database.execute("select run_name, run_id, step, metrics from metrics").fetchall()
    assert {name for name, *_ in found} == {known["name"]}
    assert len({number for _, number, *_ in found}) == 1
    rows = [(step, json.loads(metrics)) for *_, step, metrics in found]
    losses = [(step, row["train/loss"]) for step, row in rows if "train/loss" in row]
    assert losses == [(4, 1.5), (8, 1.25), (8, 1.0)]
    (table,) = [row["episodes"]["_value"] for _, row in rows if "episodes" in row]
    assert [row["reply"] for row in table] == ['{"action": "+"}', "a | b\n*c*"]
    for row in table:
        (picture,) = tmp_path.rglob(Path(row["picture"]["file_path"]).name)
        assert picture.is_file()


@pytest.mark.slow
def test_mlflow(run, tmp_path, monkeypatch, offline):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("pandas")
    pytest.importorskip("sqlalchemy")  # which mlflow-skinny leaves out
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)  # artifacts are stored there
    known = followed("mlflow", run)
    client = mlflow.MlflowClient()
    found = client.get_run(known["run_id"])
    assert found.info.status == "FINISHED"
    assert found.data.params["total_steps"] == "8"
    history = client.get_metric_history(known["run_id"], "train/loss")
    assert [(each.step, each.value) for each in history] == [(4, 1.5), (8, 1.25), (8, 1.0)]
    (artifact,) = client.list_artifacts(known["run_id"], "episodes")
    local = client.download_artifacts(known["run_id"], artifact.path, str(tmp_path))
    table = json.loads(Path(local).read_text())
    assert table["columns"] == list(tools.SampleStep._fields)
    assert [row[4] for row in table["data"]] == ['{"action": "+"}', "a | b\n*c*"]
    assert len(client.list_artifacts(known["run_id"], "table_images/episodes/step-000000004")) >= 2
