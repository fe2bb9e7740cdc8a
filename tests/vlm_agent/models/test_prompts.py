"""Prompts of a policy: built in, template, function, system message; saved and loaded."""

import json

import pytest

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core import prompt_builder
from vlm_agent.core.prompts import build_prompt
from vlm_agent.models.policy import VLMPolicy

CHATML = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}{% endfor %}<|assistant|>"
)
WITHOUT_SYSTEM = CHATML.replace("messages %}", "messages if message['role'] != 'system' %}", 1)


def brief(observation, cot):
    """A prompt function."""
    return observation.task.description.split(".")[0]


@pytest.fixture
def policy(make_policy):
    policy = make_policy()
    policy.processor.chat_template = CHATML
    return policy


def test_the_prompt_is_that_of_the_generation_config(policy, observations):
    now = observations[0]
    assert policy.prompt(now) == f"<|user|><image>{build_prompt(now)}<|assistant|>"
    encoded = policy.encode([now])["input_ids"]
    policy.generation_config = policy.generation_config.with_changes(
        prompt="{{ task }}\n", system_prompt="You are playing a game."
    )
    expected = f"<|system|>You are playing a game.<|user|><image>{now.task.description}"
    assert policy.prompt(now) == f"{expected}<|assistant|>"
    assert policy.encode([now])["input_ids"].shape != encoded.shape, "no input of another prompt"
    (reply,) = policy.act([now])
    scored = policy.score([now], [reply.tokens])
    assert scored.log_probs[0].tolist() == pytest.approx(reply.log_probs, abs=1e-4)


def test_it_is_saved_and_loaded_with_the_policy(policy, observations, tmp_path):
    template = tmp_path / "prompt.jinja"
    template.write_text("{{ task }} {{ form }}")
    changes = {"prompt": template, "system_prompt": "You are playing a game."}
    policy.generation_config = policy.generation_config.with_changes(**changes)
    policy.save(tmp_path / "policy")
    saved = json.loads((tmp_path / "policy" / "policy.json").read_text())
    assert saved["prompt"] == "{{ task }} {{ form }}\n"
    template.unlink()
    loaded = VLMPolicy.load(tmp_path / "policy")
    assert loaded.generation_config == policy.generation_config
    assert loaded.prompt(observations[0]) == policy.prompt(observations[0])
    changed = VLMPolicy.load(tmp_path / "policy", prompt="default", system_prompt="")
    assert changed.prompt(observations[0]).startswith("<|user|><image>You are")
    changed = VLMPolicy.load(tmp_path / "policy", prompt=brief, system_prompt="")
    assert changed.prompt(observations[0]).endswith(
        f"<image>{brief(observations[0], True)}<|assistant|>"
    )


def test_a_function_has_to_be_given_again(policy, observations, tmp_path, monkeypatch):
    policy.generation_config = policy.generation_config.with_changes(prompt=brief)
    policy.save(tmp_path)
    assert VLMPolicy.load(tmp_path).act(observations[:1]), "in the process that was given it"
    monkeypatch.setattr(prompt_builder, "_functions", {})
    loaded = VLMPolicy.load(tmp_path)
    with pytest.raises(ValueError, match="functions are not saved with a policy: give it again"):
        loaded.act(observations[:1])
    again = VLMPolicy.load(tmp_path, prompt=brief)
    assert again.generation_config == policy.generation_config
    assert again.act(observations[:1])


def test_a_chat_template_must_not_drop_the_system_message(policy, observations):
    policy.generation_config = GenerationConfig(system_prompt="You are playing a game.")
    policy.processor.chat_template = WITHOUT_SYSTEM
    with pytest.raises(ValueError, match="leaves system messages out: say the same in the prompt"):
        policy.prompt(observations[0])
    policy.processor.chat_template = None
    start = "<image>You are playing a game.\nYou are playing"
    assert policy.prompt(observations[0]).startswith(start)
