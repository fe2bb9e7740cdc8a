"""What vLLM is asked for, and that an answer to another prompt is none."""

import dataclasses

import numpy as np
import pytest

from vlm_agent.config.engine import EngineOptions
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.errors import EngineError
from vlm_agent.engines.make import make_engine
from vlm_agent.engines.vllm import support
from vlm_agent.engines.vllm.requests import requests_for, sampling_options, written

CHATML = (
    "{% for message in messages %}<|{{ message['role'] }}|>{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def generators(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_prompts_are_those_of_the_policy(make_policy, observations):
    policy = make_policy()
    found = requests_for(policy, observations, generators(len(observations)))
    inputs = policy.encode(observations)
    for row, (request, observation) in enumerate(zip(found, observations, strict=True)):
        mask = inputs["attention_mask"][row].bool()
        assert request.prompt_ids == inputs["input_ids"][row][mask].tolist()
        assert request.prompt == policy.prompt(observation)
        assert request.images[0] is observation.image


def test_earlier_replies_and_pictures_are_in_a_request(make_policy, observations):
    policy = make_policy(history="replies", history_length=2)
    now = observations[0]
    for text in ("hm", "<think>so</think> +"):
        now = dataclasses.replace(now, history=now.remember(0, 2, text))
    (request,) = requests_for(policy, [now], generators(1))
    assert request.prompt == policy.prompt(now)
    assert "hm<end>" in request.prompt
    assert "<think>so</think> +<end>" in request.prompt
    assert len(request.images) == 3
    assert request.prompt_ids == policy.encode([now])["input_ids"][0].tolist()
    assert "'{\"image\": 3}'" in support.serve_command(policy)


def test_earlier_actions_are_text_alone(make_policy, observations):
    policy = make_policy(history="actions", history_length=2)
    now = dataclasses.replace(observations[0], history=observations[0].remember(0, 2))
    (request,) = requests_for(policy, [now], generators(1))
    assert "Before, you chose" in request.prompt
    assert [each is now.image for each in request.images] == [True]
    assert "'{\"image\": 1}'" in support.serve_command(policy)


def test_histories_that_vllm_does_not_write_as_they_were_are_refused(make_policy, monkeypatch):
    policy = make_policy(history="replies", history_length=2)
    support.check_history(policy)
    with pytest.raises(EngineError, match="the server writes conversations by the model's chat"):
        support.check_history(policy, server=True)
    with pytest.raises(EngineError, match="the server writes conversations by the model's chat"):
        make_engine(EngineOptions(engine="vllm", engine_url="http://127.0.0.1:1"), policy, 4)
    policy.processor.chat_template = CHATML
    support.check_history(policy, server=True)
    monkeypatch.setattr(policy.network.config, "model_type", "llava_onevision")
    with pytest.raises(EngineError, match="history_length=2 with a model of type 'llava_onevi"):
        support.check_history(policy)
    for one_picture in (GenerationConfig(), GenerationConfig(history="actions", history_length=2)):
        policy.generation_config = one_picture
        support.check_history(policy, server=True)


def test_each_reply_has_a_seed_of_its_own_generator(make_policy, observations):
    policy = make_policy()
    first = [each.seed for each in requests_for(policy, observations, generators(8))]
    assert len(set(first)) == 8
    # Whatever else is in the batch.
    alone = requests_for(policy, observations[3:4], generators(8)[3:4])
    assert alone[0].seed == first[3]
    policy.seed(1)
    own = [each.seed for each in requests_for(policy, observations, None)]
    policy.seed(1)
    assert own == [each.seed for each in requests_for(policy, observations, None)]
    assert len({*own, *first}) == 16


def test_a_greedy_reply_draws_nothing(make_policy, observations):
    policy = make_policy(temperature=0.0)
    draws = generators(8)
    assert {each.seed for each in requests_for(policy, observations, draws)} == {None}
    assert draws[0].random() == generators(1)[0].random()


def test_sampling_is_that_of_the_policy(make_policy):
    policy = make_policy(temperature=0.7, top_k=5, top_p=0.9, max_new_tokens=11)
    options = sampling_options(policy)
    assert (options["temperature"], options["top_k"], options["top_p"]) == (0.7, 5, 0.9)
    assert options["max_tokens"] == 11
    assert options["stop_token_ids"] == policy.encoder.end_tokens
    assert set(options["logit_bias"]) == set(policy.encoder.unwritable_tokens)


def test_an_answer_becomes_a_reply(make_policy, observations):
    policy = make_policy()
    (request,) = requests_for(policy, observations[:1], generators(1))
    end = policy.encoder.end_tokens[0]
    found = written(policy, request, request.prompt_ids, [7, 8, end], [-1.0, -2.0, -3.0])
    assert found == ((7, 8, end), (-1.0, -2.0, -3.0), "stop", None)
    assert written(policy, request, request.prompt_ids, [7], [-1.0]).finish_reason == "length"


def test_an_answer_to_another_prompt_ends_the_run_with_both(make_policy, observations):
    policy = make_policy()
    (request,) = requests_for(policy, observations[:1], generators(1))
    other = [*request.prompt_ids[:3], 1, *request.prompt_ids[4:]]
    with pytest.raises(EngineError, match="different from token 3 on; vLLM has .* the policy"):
        written(policy, request, other, [7], [-1.0])
    with pytest.raises(EngineError, match="tokens instead of"):
        written(policy, request, request.prompt_ids[:-1], [7], [-1.0])


def test_an_answer_without_a_token_is_none(make_policy, observations):
    policy = make_policy()
    (request,) = requests_for(policy, observations[:1], generators(1))
    with pytest.raises(EngineError, match="answered without a token"):
        written(policy, request, request.prompt_ids, [], [])


@pytest.mark.parametrize("temperature", [0.001, 2.5])
def test_a_temperature_that_vllm_does_not_take_is_refused(make_policy, temperature, monkeypatch):
    monkeypatch.setattr("vlm_agent.engines.vllm.local.check_installed", lambda: None)
    with pytest.raises(ValueError, match=f"temperature={temperature:g} with the engine vllm"):
        make_engine(EngineOptions(engine="vllm"), make_policy(temperature=temperature), 4)


def test_without_vllm_it_says_what_to_install(make_policy, monkeypatch):
    monkeypatch.setattr(support, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install vllm"):
        make_engine(EngineOptions(engine="vllm"), make_policy(), 4)


def test_by_default_the_model_itself_writes(make_policy):
    assert make_engine(EngineOptions(), make_policy(), 4) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine_url": "http://127.0.0.1:1"}, "expected engine='vllm'"),
        ({"engine": "vllm", "engine_folder": "x"}, "without engine_url"),
        ({"engine_compile": "always"}, "expected engine='vllm' in this process"),
        (
            {"engine": "vllm", "engine_url": "http://127.0.0.1:1", "engine_compile": "never"},
            "a server is told by --enforce-eager",
        ),
    ],
)
def test_options_of_a_server_need_one(options, message):
    with pytest.raises(ValueError, match=message):
        EngineOptions(**options)
