"""TRL's trainer plays and learns in the environments by tool calls."""

import pickle
import warnings

import pytest
import torch

from tests.support import architectures
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.integrations.trl import ToolEnvironment, environment_factory, episodes

NUMBER_LINE = "gym_cards/NumberLine-v0"


def test_an_episode_is_played_by_calls():
    env = ToolEnvironment(NUMBER_LINE, pictures=False)
    # The same start for all answers to a row; the row's other columns are left alone.
    first = env.reset(seed=4, prompt=[{"role": "user", "content": ""}])
    assert first == env.reset(seed=4)
    state = dict(line.split(" is: ") for line in first.splitlines()[-2:])
    now, target = int(state["The current number"]), int(state["The target number"])
    with pytest.raises(ValueError, match='there is no action \'jump\'; choose one of "-", "\\+"'):
        env.act("jump")
    seen = ""
    while not seen.endswith("The episode is over."):
        seen = env.act('"+"' if target > now else "-")
        now += 1 if target > now else -1
        assert f"The current number is: {now}" in seen
    assert now == target
    assert env.get_reward() == 1
    assert env.success
    with pytest.raises(ValueError, match="the episode is over"):
        env.act("+")


def test_pictures_are_given_in_the_prompt_and_in_replies():
    env = environment_factory("gym_cards/EZPoints-v0")()
    picture, text = env.reset(seed=0)
    assert picture["image"].size == (300, 300)
    # What a prompt tells besides the picture, and nothing that has to be read off it.
    assert text["text"].splitlines()[-1] == "The current formula is: "
    assert "cards is" not in text["text"]
    after, told = env.act("*")
    assert after["image"].tobytes() != picture["image"].tobytes()
    assert told["text"].startswith("Reward: ")


def test_the_factory_can_be_pickled():
    make = environment_factory(NUMBER_LINE, {"max_position": 3}, pictures=False)
    copy = pickle.loads(pickle.dumps(make))
    assert copy().reset(seed=3) == make().reset(seed=3)


def test_rows_hold_seeds_that_are_never_evaluated():
    rows = episodes(5, seed=3)
    assert rows["seed"] == episodes(6, seed=3)["seed"][:5]
    assert rows["seed"] != episodes(5, seed=4)["seed"]
    assert not set(rows["seed"]) & set(episode_seeds("evaluation", 3, 1000))


@pytest.fixture
def caller():
    """A tiny Qwen3-VL that knows the format of a call, with equal probabilities of both actions."""
    from trl.chat_template_utils import qwen3_vl_chat_template

    model, processor = architectures.qwen3_vl()
    processor.chat_template = qwen3_vl_chat_template
    env = ToolEnvironment(NUMBER_LINE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    opening = processor.tokenizer.convert_tokens_to_ids("<|im_start|>")
    for step in range(60):
        call = {"name": "act", "arguments": {"action": "+-"[step % 2]}}
        turns = [
            {"role": "user", "content": env.reset(seed=step)},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": ""}],
                "tool_calls": [{"type": "function", "function": call}],
            },
        ]
        inputs = processor.apply_chat_template(
            [turns], tools=[env.act], tokenize=True, return_dict=True, return_tensors="pt"
        )
        labels = inputs["input_ids"].clone()
        labels[0, : (labels[0] == opening).nonzero()[-1]] = -100
        model(**inputs, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model, processor


def test_grpo_learns_from_the_rewards_of_episodes_that_it_played(caller, tmp_path, monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl import GRPOConfig, GRPOTrainer

    model, processor = caller
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = GRPOTrainer(
            model,
            args=GRPOConfig(
                output_dir=str(tmp_path),
                max_steps=2,
                num_generations=4,
                per_device_train_batch_size=8,
                max_completion_length=256,
                max_tool_calling_iterations=4,
                learning_rate=1e-3,
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                use_cpu=True,
                bf16=False,
                seed=0,
            ),
            train_dataset=episodes(4),
            processing_class=processor,
            environment_factory=environment_factory(NUMBER_LINE),
        )
        trainer.train()
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(logs) == 2
    assert all(entry["tools/call_frequency"] > 0.5 for entry in logs)
    assert any(entry["rewards/ToolEnvironment/std"] > 0 for entry in logs)
    assert any((before[n] != weight).any() for n, weight in model.named_parameters())
