"""Checkpoints are whole or not there; damage is found, named, and got around."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from vlm_agent.core.run_directory import run_of
from vlm_agent.training.saving.checkpoints import (
    MANIFEST,
    CheckpointError,
    drop_after,
    find_checkpoint,
    write_checkpoint,
)
from vlm_agent.training.saving.tensor_tree import read_tree, write_tree


def fill(folder):
    (folder / "policy").mkdir()
    (folder / "policy" / "weights").write_bytes(bytes(range(200)))
    (folder / "state").write_text("so far")


def write(run, step, keep=3, contents=fill):
    return write_checkpoint(run, step, "ppo", contents, keep=keep)


def names(run):
    return sorted(entry.name for entry in (run / "checkpoints").iterdir())


def test_the_newest_are_kept_and_the_newest_is_found(tmp_path):
    for step in (8, 16, 24, 1_000_000_000):
        write(tmp_path, step, keep=2)
    assert names(tmp_path) == ["step-000000024", "step-1000000000"]
    found = find_checkpoint(tmp_path, "ppo")
    assert (found.step, found.kind, found.run) == (1_000_000_000, "ppo", tmp_path)
    assert (found.path / "policy" / "weights").read_bytes() == bytes(range(200))
    older = find_checkpoint(tmp_path / "checkpoints" / "step-000000024", "ppo")
    assert older.step == 24
    assert run_of(older.path) == run_of(tmp_path) == tmp_path
    drop_after(older)
    assert names(tmp_path) == ["step-000000024"]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip, truncate, os.remove])
@pytest.mark.parametrize("name", ["policy/weights", "state", MANIFEST])
def test_damage_is_named_and_the_one_before_is_offered(tmp_path, damage, name):
    write(tmp_path, 8)
    write(tmp_path, 16)
    newest = write(tmp_path, 24)
    damage(newest / name)
    damage(tmp_path / "checkpoints" / "step-000000016" / name)
    whole = tmp_path / "checkpoints" / "step-000000008"
    with pytest.raises(CheckpointError, match="damaged") as caught:
        find_checkpoint(tmp_path, "ppo")
    for word in (str(newest), name, f"--resume {whole}"):
        assert word in str(caught.value)
    assert find_checkpoint(whole, "ppo").step == 8
    damage(whole / name)
    with pytest.raises(CheckpointError, match="no complete one before it: start a new run"):
        find_checkpoint(tmp_path, "ppo")


def test_every_bit_of_a_manifest_counts(tmp_path):
    manifest = write(tmp_path, 8) / MANIFEST
    written = manifest.read_bytes()
    for place in range(0, len(written), 7):
        changed = bytearray(written)
        changed[place] ^= 1
        if json.loads(written) == _loaded(changed):
            continue  # white space
        manifest.write_bytes(changed)
        with pytest.raises(CheckpointError):
            find_checkpoint(tmp_path, "ppo")


def _loaded(data):
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_what_a_crash_left_behind_is_no_checkpoint(tmp_path):
    write(tmp_path, 8)
    left = tmp_path / "checkpoints" / "step-000000016.unfinished"
    shutil.copytree(tmp_path / "checkpoints" / "step-000000008", left)
    assert find_checkpoint(tmp_path, "ppo").step == 8
    write(tmp_path, 16)
    assert names(tmp_path) == ["step-000000008", "step-000000016"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_one_that_cannot_be_written_leaves_the_others_alone(tmp_path, code):
    for step in (8, 16):
        write(tmp_path, step)

    def failing(folder):
        fill(folder)
        raise OSError(code, "so it is")

    with pytest.raises(OSError, match="so it is"):
        write(tmp_path, 24, contents=failing)
    # Where room is what is missing, older ones than the last are given up for it.
    assert names(tmp_path) == ["step-000000008", "step-000000016"][code == errno.ENOSPC :]
    assert find_checkpoint(tmp_path, "ppo").step == 16


def test_room_is_made_for_the_next_one(tmp_path):
    for step in (8, 16):
        write(tmp_path, step)

    def filling(folder):
        if len(names(tmp_path)) > 2:
            raise OSError(errno.ENOSPC, "full")
        fill(folder)

    write(tmp_path, 24, contents=filling)
    assert names(tmp_path) == ["step-000000016", "step-000000024"]


def test_what_safetensors_says_of_the_disk_is_understood(tmp_path):
    def filling(folder):
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path, 8, contents=filling)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == []


def test_of_an_interrupt_nothing_is_left(tmp_path):
    def interrupted(folder):
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 8, contents=interrupted)
    assert names(tmp_path) == []


def test_wrong_places_and_kinds(tmp_path):
    with pytest.raises(FileNotFoundError, match="no directory"):
        find_checkpoint(tmp_path / "nowhere", "ppo")
    with pytest.raises(CheckpointError, match="no checkpoint to resume from: start a new run"):
        find_checkpoint(tmp_path, "ppo")
    path = write(tmp_path, 8)
    with pytest.raises(CheckpointError, match="written by `vlm-agent ppo`"):
        find_checkpoint(tmp_path, "sft")
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, "version": 2}))
    with pytest.raises(CheckpointError, match="of version 2"):
        find_checkpoint(tmp_path, "ppo")


def test_trees_come_back_to_the_last_bit(tmp_path):
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    shared = torch.arange(6.0)
    tree = {
        "plain": [None, True, 0.1, -0.0, float("inf"), 2**200, "\ud800 ü \x00", {}, []],
        "pictures": [picture, picture.copy(), picture[::2]],
        "tensors": [shared, shared[:2], torch.tensor(3, dtype=torch.int8), torch.zeros(0)],
        "coarse": torch.tensor([1.5], dtype=torch.bfloat16),
        "number": np.float32(0.1),
        "$tensor": {"$array": 1},
        "floats": np.array([np.nan, -0.0, 5e-324]),
    }
    write_tree(tree, tmp_path, "state")
    found = read_tree(tmp_path, "state")
    assert found["plain"] == tree["plain"]
    assert str(found["plain"][3]) == "-0.0"
    for one, other in zip(found["pictures"], tree["pictures"], strict=True):
        assert np.array_equal(one, other)
        one[:] = 0  # it may be written to
    for one, other in zip(found["tensors"], tree["tensors"], strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert found["coarse"].dtype == torch.bfloat16
    assert found["number"] == float(np.float32(0.1))
    assert found["$tensor"] == {"$array": 1}
    assert found["floats"].tobytes() == tree["floats"].tobytes()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [1, object()]}, "/a/1 is a object"),
        ({"a": {3: 4}}, "/a has the key 3"),
        (np.array([object()]), "the value is a ndarray"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, tree, message):
    with pytest.raises(TypeError, match=message):
        write_tree(tree, tmp_path, "state")
