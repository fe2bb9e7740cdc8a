"""Fine-tuning on data sets of conversations, in one process."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from vlm_agent.cli.main import main
from vlm_agent.config.commands import PlayConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.data.conversation_dataset import ConversationDataset
from vlm_agent.data.conversations import DatasetError
from vlm_agent.data.dataset_rows import open_rows
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.saving.checkpoints import find_checkpoint
from vlm_agent.training.sft.loss import accumulate
from vlm_agent.training.sft.teaching import as_written, read
from vlm_agent.training.sft.trainer import resume_sft, train_sft

NUMBER_LINE = "gym_cards/NumberLine-v0"
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@pytest.fixture
def data(tmp_path):
    """Conversations about colours, with one turn or two, and a system message."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (20, 20), colour).save(folder / f"{name}.png")
        messages = [
            {"role": "system", "content": "Name colours."},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Colour?"}]},
            {"role": "assistant", "content": name},
        ]
        if number:
            messages += [
                {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": "!"},
            ]
        rows.append({"messages": messages, "images": [f"{name}.png"]})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def config(data, out, **changes):
    settings = {
        **{"dataset": str(data), "model": "tiny", "batch_size": 5, "learning_rate": 3e-3},
        **{"temperature": 0.0, "max_new_tokens": 8},
    }
    return SFTConfig(out=str(out), **{**settings, **changes})


def test_a_model_learns_what_it_is_shown(data, tmp_path, capsys):
    words = ["--dataset", str(data), "--out", str(tmp_path / "out"), "--epochs", "40"]
    words += ["--batch-size", "5", "--temperature", "0", "--checkpoint-every", "0"]
    assert main(["sft", *words]) == 0
    assert "saved in" in capsys.readouterr().out
    rows = read_metrics(tmp_path / "out")
    assert rows[-1]["step"] == 40 * 5, "every epoch has five replies"
    assert rows[-1]["train/loss"] < 0.05 < 1 < rows[0]["train/loss"]
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (run["samples"], run["epochs"], run["env"]) == (200, None, None)
    with pytest.raises(ValueError, match="was trained without an environment: give one"):
        PlayConfig(str(tmp_path / "out"))
    policy = VLMPolicy.load(tmp_path / "out")
    dataset = ConversationDataset(open_rows(str(data)), batch_size=5)
    items = read(policy, next(iter(dataset)))
    written = policy.act([item.observation for item in items])
    assert [reply.text for reply in written] == [item.reply for item in items]
    assert {item.reply for item in items} == {*COLOURS, "!"}


def test_only_turns_of_the_assistant_are_learned(data, make_policy):
    """The loss is that of the replies alone, each with its end and under its own prompt."""
    policy = make_policy()
    dataset = ConversationDataset(open_rows(str(data)), batch_size=5)
    items = [as_written(policy, each) for each in read(policy, next(iter(dataset)))]
    with torch.no_grad():
        alone = [
            policy.score([item.observation], [policy.encode_reply(item.reply)], temperature=1.0)
            for item in items
        ]
    expected = -sum(scores.log_probs.sum().item() for scores in alone)
    count = sum(int(scores.mask.sum()) for scores in alone)
    losses, tokens = accumulate(policy, items, 2)
    assert tokens == count == sum(len(policy.encode_reply(item.reply)) for item in items)
    assert losses["loss"] == pytest.approx(expected / count, rel=1e-5)


def test_batches_with_and_without_pictures(data, make_policy):
    """However the replies are dealt to passes, their gradient is the same."""
    text = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]
    with (data / "train.jsonl").open("a") as file:
        file.write(json.dumps({"messages": text}) + "\n")
    policy = make_policy()
    dataset = ConversationDataset(open_rows(str(data)), batch_size=6)
    items = read(policy, next(iter(dataset)))
    found = []
    for size in (6, 1):
        policy.zero_grad()
        loss = accumulate(policy, items, size)[0]["loss"]
        found.append((loss, [p.grad for p in policy.model.parameters() if p.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "asked", "learned"),
    [
        # One pass after another, and only the last batch is filled up: 5 of 5 and 10 of 12.
        ({}, 5, 8),
        ({"epochs": 2.0}, 10, 12),
        ({"epochs": 4.0}, 20, 20),
        ({"epochs": 0.5}, 2, 4),
        ({"batch_size": 16}, 5, 16),
    ],
)
def test_passes_are_rounded_up_to_whole_batches_once(
    data, tmp_path, capsys, changes, asked, learned
):
    settings = {"batch_size": 4, "checkpoint_every": 0, **changes}
    train_sft(config(data, tmp_path / "out", **settings))
    assert json.loads((tmp_path / "out" / "run.json").read_text())["samples"] == asked
    assert read_metrics(tmp_path / "out")[-1]["step"] == learned
    note = f"samples={asked} of the data set is rounded up to {learned}, in whole batches of "
    said = f"{note}batch_size={settings['batch_size']}\n" in capsys.readouterr().err
    assert said == (learned > asked)


def test_an_interrupted_run_is_resumed_bit_identically(data, tmp_path):
    settings = {"samples": 30, "checkpoint_every": 2, "dataset_share": 0.5, "env": NUMBER_LINE}
    settings |= {"batch_size": 6, "keep_checkpoints": 9}
    train_sft(config(data, tmp_path / "out", **settings))
    whole = load_file(tmp_path / "out" / "model.safetensors")
    metrics = (tmp_path / "out" / "metrics.jsonl").read_text().count("\n")
    middle = find_checkpoint(tmp_path / "out" / "checkpoints" / f"step-{12:09d}", "sft")
    resume_sft(middle.path)
    again = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert (tmp_path / "out" / "metrics.jsonl").read_text().count("\n") == metrics
    with (data / "train.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(DatasetError, match="has changed since the checkpoint"):
        resume_sft(tmp_path / "out")


def test_what_a_model_would_not_get_whole_is_an_error(data, tmp_path, make_policy):
    place = "train.jsonl, line [123], message [35]: "
    policy = make_policy()
    template = policy.processor.chat_template
    policy.processor.chat_template = "{% set messages = messages[1:] %}" + template
    policy.save(tmp_path / "without")
    settings = config(data, tmp_path / "out", model=str(tmp_path / "without"))
    with pytest.raises(DatasetError, match=place + "the chat template leaves out the message of"):
        train_sft(settings)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    policy.processor.chat_template = template
    dataset = ConversationDataset(open_rows(str(data)), batch_size=5)
    items = [each.load() for each in next(iter(dataset))]
    longest = max(policy.prompt_lengths([item.observation for item in items]))
    # Long enough for every prompt, and not for every reply.
    policy.model.config.text_config.max_position_embeddings = longest
    policy.save(tmp_path / "short")
    settings = config(data, tmp_path / "out", model=str(tmp_path / "short"))
    with pytest.raises(DatasetError, match=place + f".* tokens with the reply.* at most {longest}"):
        train_sft(settings)
    # A picture that is no picture.
    (data / "red.png").write_bytes(b"red")
    settings = config(data, tmp_path / "out")
    with pytest.raises(DatasetError, match="line 1, picture 1 cannot be read"):
        train_sft(settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out": ""}, "expected a directory for the run"),
        ({"dataset": None, "env": "e", "epochs": 1.0}, "are those of a data set"),
        ({"epochs": 1.0, "samples": 3}, "both say how long to train"),
        ({"caption_samples": 3}, "need the state that an environment tells"),
        ({"probe_weight": 1.0}, "need the state that an environment tells"),
        ({"env": "e"}, "to mix a data set with an environment give both"),
        ({"dataset_share": 0.5}, "to mix a data set with an environment give both"),
        ({"env": "e", "dataset_share": 0.01}, "is 0 demonstrations: expected some from both"),
        ({"random_share": 0.5}, "random_share: the data set needs no environment"),
        ({"detour_share": 0.5}, "detour_share: the data set needs no environment"),
        ({"shown_share": 0.25}, "shown_share: the data set needs no environment"),
        ({"dataset": None, "env": "e", "dataset_split": "test"}, "are those of a data set"),
        ({"demonstrations": "f"}, "demonstrations: the data set needs no environment"),
    ],
)
def test_options_that_contradict_each_other(changes, message):
    with pytest.raises(ValueError, match=message):
        SFTConfig(**{"out": "out", "dataset": "d", **changes})


def test_the_command_names_what_is_missing(capsys):
    with pytest.raises(SystemExit):
        main(["sft", "--dataset", "d"])
    assert "missing --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["sft", "--out", "d"])
    assert "give an environment to learn from, or a dataset" in capsys.readouterr().err
