"""Rows of data sets: every form of messages and pictures, and errors that name the row."""

import base64
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from tests.support.report_data import recorded_episode, recorded_step, recording
from vlm_agent.config.commands import ExportConfig
from vlm_agent.core.prompts import Chat
from vlm_agent.data.conversation_dataset import ConversationDataset
from vlm_agent.data.conversations import DatasetError, read_conversation, read_picture
from vlm_agent.data.dataset_rows import open_rows
from vlm_agent.data.export import export_episodes

IMAGE = {"type": "image"}


def text(words):
    return {"type": "text", "text": words}


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(words):
    return {"role": "assistant", "content": [text(words)]}


def pixels(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def png(seed=0):
    file = io.BytesIO()
    Image.fromarray(pixels(seed)).save(file, "PNG")
    return file.getvalue()


def read(row, folder=None):
    conversation = read_conversation(row, "here, row 1", folder)
    return [conversation.demonstration(turn) for turn in conversation.turns]


@pytest.mark.parametrize(
    "value",
    [
        Image.fromarray(pixels()),
        png(),
        {"bytes": png(), "path": None},
        {"bytes": None, "path": "a.png"},
        "a.png",
        {"url": "a.png"},
        base64.b64encode(png()).decode(),
        {"base64": base64.b64encode(png()).decode()},
        {"url": "data:image/png;base64," + base64.b64encode(png()).decode()},
    ],
)
def test_pictures(value, tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    found = read_picture(value, tmp_path, "here")
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels())
    # A picture may be in the row or inside of a message.
    (item,) = read({"messages": [user(IMAGE), assistant("a")], "images": [value]}, tmp_path)
    part = {"type": "image", "image": value}
    (inside,) = read({"messages": [user(part), assistant("a")]}, tmp_path)
    for each in (item, inside):
        assert np.array_equal(each.observation.images[0], pixels())


def test_grey_and_transparent_pictures_become_rgb():
    for mode in ("L", "RGBA", "P", "1"):
        found = read_picture(Image.new(mode, (4, 3)), None, "here")
        assert (found.shape, found.dtype) == ((3, 4, 3), np.uint8)


def test_every_turn_is_learned_after_all_that_precedes_it():
    row = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            user(text("See"), IMAGE, text("this.")),
            assistant("First."),
            user(IMAGE, IMAGE),
            assistant("Second."),
        ],
        "images": [png(1), png(2), png(3)],
    }
    first, second = read(row)
    assert (first.reply, second.reply) == ("First.", "Second.")
    assert first.learned is None
    assert isinstance(first.observation, Chat)
    assert first.observation.messages == (
        {"role": "system", "content": [text("Be kind.")]},
        user(text("See"), IMAGE, text("this.")),
    )
    assert second.observation.messages[2] == assistant("First.")
    assert [p.tolist() for p in first.observation.images] == [pixels(1).tolist()]
    assert [p.tolist() for p in second.observation.images] == [
        pixels(seed).tolist() for seed in (1, 2, 3)
    ]


def test_of_a_prompt_and_its_completion_the_completion_is_learned():
    prompt = [user(text("a")), assistant("b"), user(text("c"))]
    (item,) = read({"prompt": prompt, "completion": [assistant("d")]})
    assert item.reply == "d"
    assert list(item.observation.messages) == prompt
    (item,) = read({"prompt": "a", "completion": "b", "image": png()})
    assert item.reply == "b"
    assert item.observation.messages == (user(IMAGE, text("a")),)
    assert item.observation.images[0].shape == (5, 7, 3)


def test_parts_of_a_column_have_keys_without_values():
    """As rows of Arrow have, where every part has the same keys."""
    content = [{"type": "image", "text": None}, {"type": "text", "text": "a"}]
    row = {
        "messages": [{"role": "user", "content": content, "name": None}, assistant("b")],
        "images": [png()],
        "prompt": None,
    }
    (item,) = read(row)
    assert item.observation.messages == (user(IMAGE, text("a")),)


WRONG = {
    "has id, words: expected `messages`": {"id": 1, "words": "a"},
    "messages is 'a': expected a list": {"messages": "a"},
    "message 1 has no `role`": {"messages": [{"content": "a"}]},
    r"message 2 \(assistant\) has no `content`": {"messages": [user(), {"role": "assistant"}]},
    "no message of the assistant": {"messages": [user(text("a"))]},
    "replies to nothing": {"messages": [assistant("a")]},
    "is empty: expected a reply": {"messages": [user(text("a")), assistant(" ")]},
    "1 places for pictures, and the row has 0": {"messages": [user(IMAGE), assistant("a")]},
    "1 places for pictures, and the row has 2": {
        "messages": [user(IMAGE), assistant("a")],
        "images": [png(), png()],
    },
    "0 places for pictures, and the row has 1": {
        "messages": [user(text("a")), assistant("a")],
        "images": [png()],
    },
    "picture 2 is null": {"messages": [user(IMAGE), assistant("a")], "images": [png(), None]},
    "the part {'type': 'video'}": {"messages": [user({"type": "video"}), assistant("a")]},
    "has a picture, and a model writes text": {
        "messages": [user(text("a")), {"role": "assistant", "content": [IMAGE]}],
        "images": [png()],
    },
    r"has tool_calls beside its content": {
        "messages": [user(text("a")), {**assistant("a"), "tool_calls": [{"name": "f"}]}]
    },
    "picture 1 cannot be read": {"messages": [user(IMAGE), assistant("a")], "images": [b"GIF"]},
    "picture 1 is 'no.png', neither": {
        "messages": [user(IMAGE), assistant("a")],
        "images": ["no.png"],
    },
    "picture 1 is http://a.b/c.png: download": {
        "messages": [user(IMAGE), assistant("a")],
        "images": ["http://a.b/c.png"],
    },
    "picture 1 has size: expected bytes": {
        "messages": [user(IMAGE), assistant("a")],
        "images": [{"size": 3}],
    },
    "pictures in images and image": {
        "messages": [user(IMAGE), assistant("a")],
        "images": [png()],
        "image": png(),
    },
    "message 1: expected `from` and `value`": {"conversations": [{"from": "human"}]},
}


@pytest.mark.parametrize("message", WRONG)
def test_mistakes_name_the_row(message):
    with pytest.raises(DatasetError, match=f"^here, row 1.*{message}"):
        read(WRONG[message])


def rows(number, **more):
    return [
        {
            "messages": [user(IMAGE, text(f"Number {n}?")), assistant(f"It is {n}.")],
            "images": [f"{n}.png"],
            **more,
        }
        for n in range(number)
    ]


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures."""
    path = tmp_path / "data"
    path.mkdir()
    for n in range(4):
        (path / f"{n}.png").write_bytes(png(n))
    return path


def as_lines(each):
    return "".join(json.dumps(row) + "\n" for row in each)


def learned(name, **options):
    """Replies, texts and pictures of a data set, in its own order."""
    rows = open_rows(str(name), **options)
    dataset = ConversationDataset(rows, batch_size=len(rows))
    samples = sorted(next(iter(dataset)), key=lambda sample: sample.row)
    found = [sample.load() for sample in samples]
    return [(e.reply, e.observation.messages, e.observation.images[0].tolist()) for e in found]


def expected(number):
    return [
        (f"It is {n}.", (user(IMAGE, text(f"Number {n}?")),), pixels(n).tolist())
        for n in range(number)
    ]


def test_files_and_folders_without_the_library(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (folder / "train.jsonl").write_text(as_lines(rows(3)) + "\n")
    assert learned(folder / "train.jsonl") == expected(3)
    assert learned(folder) == expected(3)
    (folder / "test.json").write_text(json.dumps(rows(2)))
    assert learned(folder / "test.json") == expected(2)
    assert learned(folder) == expected(3), "the split is train unless another is asked for"
    assert learned(folder, split="test") == expected(2)
    with pytest.raises(DatasetError, match="test.json, train.jsonl, and none.*the split other"):
        open_rows(str(folder), split="other")
    (folder / "train.jsonl").unlink()
    with pytest.raises(DatasetError, match="holds test.json, and none.*the split other"):
        open_rows(str(folder), split="other")
    for choice in ({"split": "validation"}, {"subset": "foo"}):
        with pytest.raises(DatasetError, match="test.json, which is a single file and has no s"):
            open_rows(str(folder / "test.json"), **choice)
    with pytest.raises(DatasetError, match="dataset_subset='foo' with .*directory of JSON files"):
        open_rows(str(folder), split="test", subset="foo")
    # An image folder.
    named = [{**row, "images": None, "file_name": row["images"][0]} for row in rows(4)]
    (folder / "metadata.jsonl").write_text(as_lines(named))
    assert learned(folder) == expected(4)
    with pytest.raises(DatasetError, match="dataset_split='test' with .*one metadata.jsonl"):
        open_rows(str(folder), split="test")


def test_mistakes_of_files(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    path = folder / "a.jsonl"
    path.write_text(as_lines(rows(2)) + "{\n")
    with pytest.raises(DatasetError, match="a.jsonl, line 3 is no JSON"):
        learned(path)
    path.write_text(as_lines([*rows(1), {"messages": []}]))
    with pytest.raises(DatasetError, match=r"a.jsonl, line 2: messages is \[\]"):
        learned(path)
    path.write_text(as_lines(rows(5)))
    with pytest.raises(DatasetError, match="a.jsonl, line 5, picture 1 is '4.png'.*no file in"):
        learned(path)
    path.write_text("[1]\n")
    with pytest.raises(DatasetError, match=r"line 1 is \[1\]: expected an object"):
        learned(path)
    path.write_text("\n")
    with pytest.raises(DatasetError, match="no rows to learn from"):
        learned(path)
    (folder / "b.json").write_text("{}")
    with pytest.raises(DatasetError, match="holds a dict: expected a list of rows"):
        learned(folder / "b.json")
    with pytest.raises(DatasetError, match=r"expected a .json, .jsonl or .parquet file"):
        open_rows(str(folder / "0.png"))
    with pytest.raises(FileNotFoundError, match="no data set no/such/place"):
        open_rows("no/such/place")
    for name in ("some/name", "some-name"):
        with pytest.raises(ImportError, match=f"{name} needs.*pip install datasets"):
            open_rows(name)


def test_what_the_library_reads(folder, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    words = datasets.Value("string")
    part = {"type": words, "text": words}
    features = datasets.Features(
        {
            "messages": datasets.List({"role": words, "content": datasets.List(part)}),
            "images": datasets.List(datasets.Image()),
        }
    )
    data = datasets.Dataset.from_list(
        [{**row, "images": [str(folder / name) for name in row["images"]]} for row in rows(3)],
        features=features,
    )
    data.to_parquet(tmp_path / "some.parquet")
    assert learned(tmp_path / "some.parquet") == expected(3)
    # A directory goes through `load_dataset`, as a name on a hub does.
    hub = tmp_path / "hub" / "data"
    hub.mkdir(parents=True)
    data.to_parquet(hub / "train-00000-of-00001.parquet")
    data.select([0]).to_parquet(hub / "test-00000-of-00001.parquet")
    assert learned(hub.parent) == expected(3)
    assert learned(hub.parent, split="test") == expected(1)
    data.save_to_disk(tmp_path / "saved")
    assert learned(tmp_path / "saved") == expected(3)
    with pytest.raises(DatasetError, match="dataset_split='test' with .*has no splits"):
        open_rows(str(tmp_path / "saved"), split="test")
    with pytest.raises(DatasetError, match="dataset_subset='a' with .*has no subsets"):
        open_rows(str(tmp_path / "saved"), subset="a")
    datasets.DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(tmp_path / "two")
    assert learned(tmp_path / "two", split="test") == expected(1)
    with pytest.raises(DatasetError, match="has the splits train, test"):
        open_rows(str(tmp_path / "two"), split="other")
    wrong = [{**each, "images": []} if n == 1 else each for n, each in enumerate(rows(2))]
    wrong[0]["images"] = [str(folder / "0.png")]
    data = datasets.Dataset.from_list(wrong, features=features)
    data.save_to_disk(tmp_path / "wrong")
    with pytest.raises(DatasetError, match="wrong, row 2: .*1 places.*has 0 pictures"):
        learned(tmp_path / "wrong")


@pytest.mark.parametrize("form", ["llava", "datasets"])
def test_what_export_writes_is_read_again(form, tmp_path):
    step = recorded_step(prompt="Say <image> no.\nCount." if form == "datasets" else "Count.")
    recording(tmp_path / "a", [recorded_episode([step, recorded_step("é</s>")])])
    path = tmp_path / "a" / "episodes.jsonl"
    episode = json.loads(path.read_text())
    first, second = episode["steps"]
    second["pictures"] = first["pictures"] + second["pictures"]
    second["messages"] = [
        {"role": "system", "content": [text("Be kind.\n")]},
        user(IMAGE, text("Before.\n"), IMAGE, text("Now.")),
    ]
    path.write_text(json.dumps(episode))
    config = ExportConfig((str(tmp_path / "a"),), str(tmp_path / "out"), form=form)
    assert export_episodes(config) == 2
    dataset = ConversationDataset(open_rows(str(tmp_path / "out")), batch_size=2)
    found = [each.load() for each in sorted(next(iter(dataset)), key=lambda sample: sample.row)]
    assert [each.reply for each in found] == [first["reply"], second["reply"]]
    assert list(found[0].observation.messages) == [user(IMAGE, text(step["prompt"]))]
    assert list(found[1].observation.messages) == second["messages"]
    for each, recorded in zip(found, (first, second), strict=True):
        pictures = [
            np.asarray(Image.open(tmp_path / "a" / name).convert("RGB"))
            for name in recorded["pictures"]
        ]
        assert len(each.observation.images) == len(pictures)
        for one, other in zip(each.observation.images, pictures, strict=True):
            assert np.array_equal(one, other)


def test_every_reply_comes_once_in_an_epoch_in_an_order_of_its_own(folder):
    (folder / "train.jsonl").write_text(as_lines(rows(4)))
    opened = open_rows(str(folder))

    def drawn(seed, batches, state=None):
        dataset = ConversationDataset(opened, batch_size=3, seed=seed)
        if state is not None:
            dataset.load_state_dict(state)
        batches = list(dataset.batches(["texts"] * batches))
        return [each.row for batch in batches for each in batch], dataset.state_dict()

    found, _ = drawn(0, 8)
    epochs = [found[start : start + 4] for start in range(0, 24, 4)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1
    assert drawn(1, 8)[0] != found == drawn(0, 8)[0]
    begun, state = drawn(0, 3)
    state = json.loads(json.dumps(state))
    assert begun + drawn(0, 5, state)[0] == found
    (folder / "train.jsonl").write_text(as_lines(rows(3)))
    changed = ConversationDataset(open_rows(str(folder)), batch_size=3)
    with pytest.raises(DatasetError, match="train.jsonl, line 1 has changed since the checkpoint"):
        changed.load_state_dict(state)
