import base64
import http.client
import io
import json
import math
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from PIL import Image

from vlm_agent.cli.main import main
from vlm_agent.core.prompts import build_prompt
from vlm_agent.serving.server import serving


@pytest.fixture
def served(make_policy):
    """A policy, and a function that sends it a request and returns status and answer."""
    policy = make_policy(temperature=0.7)
    with serving(policy, "tiny", batch_size=3) as url:
        yield policy, lambda body, **how: ask(url, body, **how)


def ask(url, body, path="/chat/completions", method="POST"):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, parts.path + path, data if method == "POST" else None)
    response = connection.getresponse()
    status, answer = response.status, json.loads(response.read())
    connection.close()
    return status, answer


def picture(image, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, form)
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{form.lower()};base64,{data}"}}


def request(observation, **changes):
    content = [picture(observation.image), {"type": "text", "text": build_prompt(observation)}]
    messages = [{"role": "user", "content": content}]
    return {"model": "tiny", "messages": messages, "temperature": 0, **changes}


def test_it_replies_what_the_policy_would(served, observations):
    policy, post = served
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda o: post(request(o)), observations))
    policy.generation_config = type(policy.generation_config)(temperature=0.0, max_new_tokens=24)
    replies = policy.act(observations)
    for (status, answer), reply, observation in zip(answers, replies, observations, strict=True):
        assert status == 200
        (choice,) = answer["choices"]
        assert choice["message"]["content"] == reply.text
        assert choice["finish_reason"] == ("length" if len(reply.tokens) == 24 else "stop")
        prompt = policy.encode([observation])["input_ids"].shape[1]
        assert answer["usage"] == {
            "prompt_tokens": prompt,
            "completion_tokens": len(reply.tokens),
            "total_tokens": prompt + len(reply.tokens),
        }


def test_the_policys_system_message_goes_before_requests_without_one(make_policy, observations):
    policy = make_policy(temperature=0.0)
    policy.generation_config = policy.generation_config.with_changes(
        system_prompt="You are playing a game."
    )
    body = request(observations[0])
    other = {"role": "system", "content": "You play."}
    with serving(policy, "tiny") as url:
        _, answer = ask(url, body)
        _, own = ask(url, {**body, "messages": [other, *body["messages"]]})
    (reply,) = policy.act(observations[:1])
    assert answer["choices"][0]["message"]["content"] == reply.text
    tokens = policy.encode(observations[:1])["input_ids"].shape[1]
    assert answer["usage"]["prompt_tokens"] == tokens
    count = [
        len(policy.tokenizer(text, add_special_tokens=False)["input_ids"])
        for text in ("You are playing a game.", "You play.")
    ]
    assert own["usage"]["prompt_tokens"] == tokens - count[0] + count[1]


def test_a_request_says_how_it_is_replied_to_and_else_the_policy_does(served, observations):
    policy, post = served
    now = observations[0]

    def text(**changes):
        return post(request(now, **changes))[1]["choices"][0]["message"]["content"]

    assert post(request(now, max_tokens=3))[1]["usage"]["completion_tokens"] == 3
    assert post(request(now, max_completion_tokens=2))[1]["usage"]["completion_tokens"] == 2
    assert text(temperature=1, seed=5) == text(temperature=1, seed=5)
    assert len({text(temperature=1, seed=n) for n in range(4)}) > 1
    assert text(temperature=None, seed=3) == text(temperature=0.7, seed=3)
    assert text(temperature=1, top_p=1e-9, seed=3) == text()
    assert policy.generation_config.temperature == 0.7


def test_a_chat_may_have_several_messages_and_pictures(served, observations):
    policy, post = served
    first, second = observations[0].image, observations[2].image
    messages = [
        {"role": "system", "content": "Play."},
        {"role": "user", "content": [picture(first), {"type": "text", "text": "before"}]},
        {"role": "assistant", "content": '{"action": "+"}'},
        {"role": "user", "content": [{"type": "text", "text": "now"}, picture(second, "WEBP")]},
    ]
    status, answer = post({"model": "tiny", "messages": messages, "max_tokens": 2})
    assert status == 200
    images = 2 * (96 // 16) ** 2
    texts = policy.tokenizer('Play.before{"action": "+"}now')["input_ids"]
    assert abs(answer["usage"]["prompt_tokens"] - images - len(texts)) < 8


def test_models_are_listed(served):
    _, post = served
    status, answer = post(None, path="/models", method="GET")
    assert (status, [model["id"] for model in answer["data"]]) == (200, ["tiny"])


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"model": "other"}, 404, "no model 'other' here: expected 'tiny'"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "user", "content": "hi"}]}, 400, "at least one picture"),
        ({"messages": [{"role": "boss", "content": "hi"}]}, 400, "messages[0] has role 'boss'"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, 400, "type 'video'"),
        ({"n": 2}, 400, "n=2: expected 1"),
        ({"stream": True}, 400, "`stream` is not supported"),
        ({"temperature": -1}, 400, "temperature=-1: expected 0 or above"),
        ({"temperature": "hot"}, 400, "temperature='hot': expected a number"),
        ({"max_tokens": 0}, 400, "max_tokens=0: expected a number from 1 to"),
        ({"max_tokens": True}, 400, "max_tokens=True: expected a whole number"),
    ],
)
def test_what_it_cannot_answer_is_refused_as_the_api_does(
    served, observations, change, status, message
):
    _, post = served
    found, answer = post(request(observations[0], **change))
    assert found == status
    assert message in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"
    assert post(request(observations[0]))[0] == 200, "it goes on"


ODD = {
    "temperature": [math.nan, math.inf, -1, 1e-300, 1e300, 10**400, True, "1", [1]],
    "top_p": [math.nan, 0, -1, 1.5, 10**400, False, "0.5"],
    "top_k": [-2, 1.5, True, "5", {}],
    "seed": [-1, 0.5, math.nan, True, "7"],
    "max_tokens": [0, -1, 10**18, 10**400, 2.0, True, "9"],
    "max_completion_tokens": [0, 10**18, math.inf, "9"],
    "n": [0, 2, True, "1"],
}
CHANGING = {
    "best_of": 2, "chat_template_kwargs": {"a": 1}, "frequency_penalty": 0.5, "functions": [{}],
    "guided_choice": ["a"], "guided_json": {}, "ignore_eos": True, "length_penalty": 2,
    "logit_bias": {"5": 1}, "logprobs": True, "min_p": 0.1, "min_tokens": 3, "presence_penalty": -1,
    "reasoning_effort": "low", "repetition_penalty": 1.2,
    "response_format": {"type": "json_object"}, "stop": "}", "stop_token_ids": [3],
    "stream": True, "tools": [{}], "tool_choice": "required",
    "top_logprobs": 3, "use_beam_search": True, "whatever": 0,
}  # fmt: skip


def test_odd_numbers_and_fields_without_support_are_refused_by_name(served, observations):
    _, post = served
    body = request(observations[0])
    wrong = [(name, value) for name, values in ODD.items() for value in values]
    for name, value in [*wrong, *CHANGING.items()]:
        status, answer = post({**body, name: value})
        assert (status, answer["error"]["param"]) == (400, name), (name, value)
        assert name in answer["error"]["message"]
    assert post(b'{"a":' * 100_000)[0] == 400


def test_fields_that_change_nothing_are_taken(served, observations):
    _, post = served
    same = {"n": 1, "stop": [], "min_p": 0.0, "response_format": {"type": "text"}, "user": "me"}
    same |= dict.fromkeys(CHANGING) | {"tools": [], "top_k": -1, "presence_penalty": 0}
    plain = post(request(observations[0]))
    status, answer = post(request(observations[0], **same))
    assert (status, answer["choices"]) == (200, plain[1]["choices"])


def test_the_most_likely_tokens_can_be_chosen_from(served, observations):
    policy, post = served
    now = observations[0]
    best = post(request(now, temperature=0))[1]["choices"]
    assert post(request(now, temperature=1, top_k=1, seed=4))[1]["choices"] == best
    assert policy.generation_config.top_k == 0


def test_developer_messages_and_broken_lines_are_read(served, observations):
    _, post = served
    body = request(observations[0])
    system, developer = (
        {**body, "messages": [{"role": role, "content": "Play."}, *body["messages"]]}
        for role in ("system", "developer")
    )
    plain = post(system)
    url = body["messages"][0]["content"][0]["image_url"]
    head, data = url["url"].split(",")
    url["url"] = "\r\n".join([f"{head},", *(data[at : at + 76] for at in range(0, len(data), 76))])
    status, answer = post(developer)
    assert (status, answer["choices"]) == (200, plain[1]["choices"])
    assert answer["usage"] == plain[1]["usage"]


@pytest.mark.parametrize(
    "url", ["https://example.org/x.png", "data:image/png;base64,AAAA", "data:image/png;base64,?", 7]
)
def test_pictures_that_cannot_be_read_are_refused_and_no_address_is_looked_up(served, url):
    _, post = served
    content = [{"type": "image_url", "image_url": {"url": url}}]
    status, answer = post({"model": "tiny", "messages": [{"role": "user", "content": content}]})
    assert status == 400
    assert "picture" in answer["error"]["message"]


def test_bodies_and_paths_that_make_no_sense_are_refused(served):
    _, post = served
    assert post(b"{")[0] == 400
    assert post([1])[0] == 400
    assert post({}, path="/completions")[0] == 404
    assert post(None, path="/engines", method="GET")[0] == 404


def test_a_text_that_the_model_cannot_take_spoils_no_other_reply(served, observations):
    """The image token in a text stands for a picture that is missing."""
    _, post = served
    spoilt = request(observations[0])
    spoilt["messages"][0]["content"].append({"type": "text", "text": "<image>"})
    bodies = [request(observations[0]), spoilt, request(observations[0])]
    with ThreadPoolExecutor(3) as pool:
        (one, first), (two, second), (three, third) = pool.map(post, bodies)
    assert (one, two, three) == (200, 400, 200)
    assert first["choices"] == third["choices"]
    assert "the model cannot process this" in second["error"]["message"]


def test_the_command_serves_until_it_is_interrupted(make_policy, observations, tmp_path, capsys):
    make_policy().save(tmp_path / "tiny")
    words = ["serve", str(tmp_path / "tiny"), "--port", "0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "vlm_agent.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = server.stdout.readline()
        assert line.startswith("tiny is served at http://127.0.0.1:"), server.stderr.read()
        url = line.split()[4]
        assert ask(url, request(observations[0]))[0] == 200
        port = str(urlsplit(url).port)
        assert main(["serve", str(tmp_path / "tiny"), "--port", port]) == 1
        assert "in use" in capsys.readouterr().err
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 130
    finally:
        server.kill()
        server.communicate()
    assert main(["serve", str(tmp_path / "none")]) == 1
    assert "no directory" in capsys.readouterr().err


def test_the_settings_of_a_request_do_not_reach_other_threads(served, observations):
    policy, post = served
    own = policy.generation_config
    with ThreadPoolExecutor(1) as pool:
        with policy.lock:
            answer = pool.submit(post, request(observations[0], max_tokens=2))
            time.sleep(0.2)
            assert policy.generation_config is own
            assert max(len(reply.tokens) for reply in policy.act(observations)) > 2
            assert not answer.done()
        assert answer.result(timeout=60)[1]["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_connection_that_outlives_the_server_is_refused(make_policy, observations, method):
    path, body = "/v1/models", None
    if method == "POST":
        path, body = "/v1/chat/completions", json.dumps(request(observations[0], max_tokens=2))
    with serving(make_policy(), "tiny") as url:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        connection.request(method, path, body)
        first = connection.getresponse()
        assert (first.status, first.will_close) == (200, False)
        first.read()
    connection.request(method, path, body)
    second = connection.getresponse()
    assert (second.status, second.will_close) == (503, True)
    assert json.loads(second.read())["error"]["message"] == "the server is shutting down"
    connection.close()


def test_questions_that_wait_when_it_ends_are_refused(make_policy, observations):
    policy = make_policy()
    leaving = threading.Event()

    def hold():
        with policy.lock:  # the first question gets no further
            leaving.wait(30)
            time.sleep(1)  # so that the server has been told to stop

    with ThreadPoolExecutor(4) as pool:
        with serving(policy, "tiny", batch_size=1) as url:
            pool.submit(hold)
            bodies = [request(observations[0], max_tokens=2)] * 3
            answers = [pool.submit(ask, url, body) for body in bodies]
            time.sleep(0.3)
            leaving.set()
        statuses = sorted(answer.result(timeout=60)[0] for answer in answers)
    assert statuses == [200, 503, 503]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_cannot_get_ready_keeps_nobody_waiting(make_policy, observations, monkeypatch):
    policy = make_policy()

    def writing():
        raise MemoryError

    monkeypatch.setattr(policy, "writing", writing)
    with serving(policy, "tiny") as url:
        assert ask(url, request(observations[0]))[0] == 503
