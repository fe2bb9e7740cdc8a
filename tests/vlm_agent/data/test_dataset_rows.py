"""Names, files and pictures of data sets that are not as expected, or have changed."""

import base64
import io
import json
import sys

import pytest
from PIL import Image

from vlm_agent.data.conversation_dataset import ConversationDataset
from vlm_agent.data.conversations import DatasetError, read_picture
from vlm_agent.data.dataset_rows import open_rows


def row(reply, *pictures):
    content = [{"type": "image"} for _ in pictures] + [{"type": "text", "text": "Say it."}]
    messages = [
        {"role": "user", "content": content},
        {"role": "assistant", "content": [{"type": "text", "text": reply}]},
    ]
    return {"messages": messages, "images": list(pictures)} if pictures else {"messages": messages}


def picture(size, **options):
    file = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", ["d/none.jsonl", "none.json", "none.parquet", "d/none"])
def test_a_misspelt_file_is_not_asked_for_on_a_hub(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    with pytest.raises(FileNotFoundError, match=f"no data set {name}: "):
        open_rows(name)


def test_a_missing_picture_with_other_letters(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row("a", "fehlt_größe.png")) + "\n")
    with pytest.raises(DatasetError, match=r"a.jsonl, line 1, picture 1 is 'fehlt_größe.png'"):
        ConversationDataset(open_rows(str(tmp_path / "a.jsonl")))


def test_base64_that_is_too_long_for_a_name(tmp_path):
    data = picture((9, 5), format="PNG") + bytes(300)
    text = base64.b64encode(data).decode()
    assert 255 < len(text) < 1024
    assert "/" not in text[:256], "or it would be a path with shorter names"
    assert read_picture(text, tmp_path, "here").shape == (5, 9, 3)


def test_pictures_are_turned_as_their_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    (tmp_path / "a.jpg").write_bytes(picture((9, 5), format="JPEG", exif=exif))
    assert read_picture("a.jpg", tmp_path, "here").shape == (9, 5, 3)
    assert read_picture(Image.open(tmp_path / "a.jpg"), None, "here").shape == (9, 5, 3)


def signature(path):
    return open_rows(str(path)).signature


@pytest.mark.parametrize("form", ["parquet", "directory", "saved", "splits"])
def test_other_replies_of_the_same_length_are_noticed(form, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write(reply):
        data = datasets.Dataset.from_list([row(reply), row("other")])
        path = tmp_path / f"{form}.parquet" if form == "parquet" else tmp_path / form
        if form == "saved":
            data.save_to_disk(path)
        elif form == "splits":
            datasets.DatasetDict({"train": data}).save_to_disk(path)
        elif form == "directory":
            path.mkdir(exist_ok=True)
            data.to_parquet(path / "train.parquet")
        else:
            data.to_parquet(path)
        return path

    state = ConversationDataset(open_rows(str(write("one")))).state_dict()
    again = ConversationDataset(open_rows(str(write("one"))))
    again.load_state_dict(state)  # it was only written again
    changed = ConversationDataset(open_rows(str(write("two"))))
    with pytest.raises(DatasetError, match="has changed since the checkpoint was written"):
        changed.load_state_dict(state)


def test_a_data_set_in_memory_has_a_fingerprint():
    import datasets

    from vlm_agent.data.dataset_rows import LibraryRows

    found = [
        LibraryRows(datasets.Dataset.from_list([row(reply)]), "here").signature
        for reply in ("one", "one", "two")
    ]
    assert found[0] == found[1] != found[2]
