import json
import math
import subprocess
import sys
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from vlm_agent.config.files import load_config
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import METRICS_FILE, read_metrics
from vlm_agent.training.saving.checkpoints import CheckpointError, find_checkpoint
from vlm_agent.training.saving.run import Run, RunPosition, check_free

ROOT = Path(__file__).parents[4]


class Nothing:
    def save(self, directory):
        pass


def test_metrics_are_json_whatever_was_measured(tmp_path):
    run = Run(tmp_path, SFTConfig(env="e", out="o"))
    with run.saving(Nothing()):
        run.log(1, {"a": math.nan, "b": -math.inf, "c": None, "d": 2, "e": 0.5})

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    for line in (tmp_path / METRICS_FILE).read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    assert read_metrics(tmp_path) == [
        {"step": 1, "a": None, "b": None, "c": None, "d": 2, "e": 0.5}
    ]


def test_a_run_started_from_anothers_configuration_replaces_nothing_unasked(tmp_path):
    config = SFTConfig(env="e", out=str(tmp_path), overwrite=True)
    with Run(tmp_path, config, overwrite=True).saving(Nothing()) as _:
        pass
    again = load_config(SFTConfig, tmp_path, "sft")
    assert not again.overwrite
    with pytest.raises(FileExistsError, match="already holds a run"):
        Run(again.out, again, overwrite=again.overwrite)


@pytest.fixture
def old(tmp_path):
    """A finished run, and its files."""
    run = Run(tmp_path / "run", SFTConfig(env="old", out="o"))
    with run.saving(Nothing()):
        run.log(1, {"loss": 2.0})
        (run.directory / "checkpoints").mkdir()
        (run.directory / "checkpoints" / "weights").write_text("old")
    return files(run.directory)


def files(directory):
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


def replacing(tmp_path, **options):
    config = SFTConfig(env="new", out="o")
    return Run(tmp_path / "run", config, overwrite=True, **options)


class Refusing:
    def start(self, directory, config, resumed):
        (directory / "tracking.json").write_text("{}")
        raise OSError("no server")


def test_a_run_that_cannot_start_replaces_nothing(tmp_path, old):
    with pytest.raises(OSError, match="no server"):
        replacing(tmp_path, reporters=[Refusing()])
    assert files(tmp_path / "run") == old


def test_a_run_that_learned_nothing_replaces_nothing(tmp_path, old):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path).saving(Nothing()):
        raise KeyboardInterrupt
    assert files(tmp_path / "run") == old


def test_a_run_that_learned_something_replaces_the_old_one(tmp_path, old):
    run = replacing(tmp_path)
    with suppress(KeyboardInterrupt), run.saving(Nothing()):
        run.log(1, {"loss": 3.0})
        raise KeyboardInterrupt
    found = files(tmp_path / "run")
    assert sorted(found) == ["metrics.jsonl", "run.json"]
    assert json.loads(found["run.json"])["env"] == "new"
    assert '"loss": 3.0' in found["metrics.jsonl"]


def stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path).saving(Nothing()):
        raise KeyboardInterrupt
    return files(tmp_path / "run")


def test_after_a_run_was_killed_at_once_the_old_one_is_kept(tmp_path, old):
    replacing(tmp_path)
    place = tmp_path / "run"
    for call in (partial(check_free, place), partial(find_checkpoint, place, "sft")):
        with pytest.raises((FileExistsError, CheckpointError), match=r"is \S+run.replaced.unf"):
            call()
    assert stopped(tmp_path) == old
    assert [each.name for each in tmp_path.iterdir()] == ["run"]


def test_what_a_run_had_begun_to_remove_never_comes_back(tmp_path, old):
    killed = replacing(tmp_path)
    killed.log(1, {"loss": 3.0})
    killed._file.close()  # as the system does, with its lock
    kept = files(tmp_path / "run")
    # Killed between the first metrics and the removal, or during it.
    for suffixes in (("replaced",), ("removed",), ("replaced", "removed")):
        for suffix in suffixes:
            (tmp_path / f"run.{suffix}.unfinished").mkdir()
            (tmp_path / f"run.{suffix}.unfinished" / "weights").write_text("half")
        assert stopped(tmp_path) == kept
    with replacing(tmp_path).saving(Nothing()):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["run"]


def test_a_run_that_was_moved_away_comes_back(tmp_path, old):
    (tmp_path / "run").rename(tmp_path / "run.replaced.unfinished")  # and then killed
    assert check_free(tmp_path / "run", overwrite=True)
    assert files(tmp_path / "run") == old


def test_a_run_that_cannot_be_written_replaces_nothing(tmp_path, old, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", lambda *_, **__: full())
        with pytest.raises(OSError, match="no space"):
            replacing(tmp_path)
    assert files(tmp_path / "run") == old


def full():
    raise OSError("no space")


def test_foreign_files_of_a_run_that_learned_nothing_stay(tmp_path, old):
    run = replacing(tmp_path)
    (tmp_path / "run" / "trace.txt").write_text("mine")
    match = r"replaced is now \S+run.replaced.unfinished"
    with pytest.warns(UserWarning, match=match), suppress(KeyboardInterrupt), run.saving(Nothing()):
        raise KeyboardInterrupt
    assert files(tmp_path / "run") == {"trace.txt": "mine"}
    assert files(tmp_path / "run.replaced.unfinished") == old


def test_a_link_to_a_run_stays_one(tmp_path, old):
    (tmp_path / "run").rename(tmp_path / "disk")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    run = replacing(tmp_path)
    run.log(1, {"loss": 3.0})
    assert (tmp_path / "run").is_symlink()
    assert '"loss": 3.0' in files(tmp_path / "disk")["metrics.jsonl"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["disk", "run"]


def test_a_directory_with_foreign_files_stays_as_it_is(tmp_path, old):
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"also holds \['thesis.txt'\]"):
        replacing(tmp_path)
    assert files(tmp_path / "run") == {**old, "thesis.txt": "mine"}


@pytest.mark.skipif(find_spec("fcntl") is None, reason="files cannot be locked here")
def test_a_run_that_another_process_trains_stays_as_it_is(tmp_path):
    config = SFTConfig(env="e", out="o")
    run = Run(tmp_path / "run", config)
    run.log(1, {"loss": 2.0})
    begun = RunPosition(0, 0, extended=True)
    code = (
        "import sys; from vlm_agent.config.sft import SFTConfig\n"
        "from vlm_agent.training.saving.run import Run, RunPosition\n"
        "config = SFTConfig(env='other', out='o')\n"
        "try: Run(sys.argv[1], config, resumed=RunPosition(0, 0, extended=True))\n"
        "except FileExistsError as error: print(error)\n"
    )
    before = files(run.directory)
    words = [sys.executable, "-c", code, str(run.directory)]
    told = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    assert f"{run.directory} is being trained by another process: wait" in told.stdout
    assert files(run.directory) == before
    with run.saving(Nothing()):
        run.log(2, {"loss": 1.0})
    with pytest.raises(ValueError, match="restore the file") as error:
        Run(run.directory, config, resumed=RunPosition(0, 10**6))
    assert error  # and what failed with it, which must not keep the file open
    with Run(run.directory, config, resumed=begun).saving(Nothing()):
        pass
    assert (run.directory / METRICS_FILE).read_text() == ""


@pytest.mark.skipif(find_spec("fcntl") is None, reason="files cannot be locked here")
def test_a_run_that_is_being_trained_is_not_replaced(tmp_path):
    config = SFTConfig(env="e", out="o")
    run = Run(tmp_path / "run", config)
    run.log(1, {"loss": 2.0})
    before = files(run.directory)
    with pytest.raises(FileExistsError, match="is being trained by another process: wait"):
        Run(run.directory, config, overwrite=True)
    assert files(run.directory) == before
    with run.saving(Nothing()):
        pass
    Run(run.directory, config, overwrite=True).log(1, {"loss": 3.0})


@pytest.mark.skipif(find_spec("fcntl") is None, reason="files cannot be locked here")
def test_two_new_runs_in_one_place(tmp_path, monkeypatch):
    """The second passes the check before the first has made its directory."""
    config = SFTConfig(env="e", out="o")
    first = Run(tmp_path / "run", config)
    monkeypatch.setattr("vlm_agent.training.saving.run.check_free", lambda *_, **__: False)
    with pytest.raises(FileExistsError, match="is being trained by another process"):
        Run(tmp_path / "run", config)
    assert (tmp_path / "run" / "run.json").is_file()
    with first.saving(Nothing()):
        first.log(1, {"loss": 1.0})
