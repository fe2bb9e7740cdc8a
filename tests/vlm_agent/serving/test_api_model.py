import json
import logging
from dataclasses import replace
from email.utils import formatdate
from time import time

import numpy as np
import pytest

from tests.support.faulty import SLOW, faulty
from vlm_agent.cli.main import main
from vlm_agent.config.api import ApiOptions
from vlm_agent.core.environments import make_env
from vlm_agent.core.prompts import build_prompt
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.serving import api_client
from vlm_agent.serving.api_client import Answer, ApiError
from vlm_agent.serving.api_model import ApiModel
from vlm_agent.serving.rate_limit import Gate, Ticket
from vlm_agent.serving.reply_cache import ReplyCache
from vlm_agent.serving.server import serving

NUMBER_LINE = "gym_cards/NumberLine-v0"
KEY = "sk-secret-0123456789abcdef"
FAULTS = [
    (429, {"Retry-After": "0.1"}, None), (500, {}, None), (503, {"retry-after-ms": "20"}, None),
    (408, {}, None), "slow", "cut_off", "not_json", "nonsense", "other_text", "numbers",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Shortens waiting between attempts, and sets a key."""
    monkeypatch.setattr(api_client, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(api_client, "_LONGEST_WAIT", 0.05)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def policy(make_policy):
    return make_policy(temperature=0.0)


@pytest.fixture
def api(policy):
    """The policy behind a faulty API, and its faults."""
    with serving(policy, "tiny") as url, faulty(url) as (proxy, faults):
        yield proxy, faults


def options(url, tmp_path, **changes):
    cache = str(tmp_path / "cache" / "api.sqlite")
    return ApiOptions(**{
        "api_base_url": url, "api_max_tokens": 24, "api_timeout": 0.8 * SLOW, "api_cache": cache,
        **changes,
    })  # fmt: skip


def played(policy, **arguments):
    """Returns the result and all replies."""
    steps = []
    record = evaluate(policy, NUMBER_LINE, name="it", on_step=steps.append, **arguments)
    return record, {(step.episode, step.index): step.reply.text for step in steps}


def same(record, other):
    """Returns whether results are equal except for what only an API counts."""
    counts = {"prompt_tokens_per_step": None, "cost": None}
    return replace(record, **counts) == replace(other, **counts)


def test_a_policy_behind_the_api_replies_as_it_does_itself(policy, api, tmp_path):
    url, faults = api
    arguments = {"episodes": 6, "num_envs": 4, "regret": True}
    direct, replies = played(policy, **arguments)
    model = ApiModel("tiny", options(url, tmp_path), temperature=0)
    asked, answers = played(model, **arguments)
    assert answers == replies
    assert same(asked, direct)
    assert asked.tokens_per_step == direct.tokens_per_step
    assert asked.prompt_tokens_per_step > 40
    assert asked.cost is None
    assert faults.keys == {f"Bearer {KEY}"}
    first = faults.seen[0]
    assert first["model"] == "tiny"
    assert (first["temperature"], first["max_tokens"]) == (0, 24)
    picture, text = first["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    env = make_env(NUMBER_LINE)
    assert text["text"] == build_prompt(observe(task_of(env), *env.reset(seed=0)))


def test_another_prompt_is_sent_and_asked_for_anew(api, tmp_path):
    url, faults = api
    template = tmp_path / "prompt.jinja"
    template.write_text("{{ task }}")
    usual = ApiModel("tiny", options(url, tmp_path), temperature=0)
    played(usual, episodes=1)
    model = ApiModel(
        "tiny",
        options(url, tmp_path),
        temperature=0,
        prompt=template,
        system_prompt="You see a picture.",
    )
    played(model, episodes=1)
    assert model.spending.requests > 0
    system, user = faults.seen[-1]["messages"]
    assert system == {"role": "system", "content": [{"type": "text", "text": "You see a picture."}]}
    picture, text = user["content"]
    assert picture["type"] == "image_url"
    assert text["text"].startswith("You are playing")
    assert "Answer" not in text["text"]


def test_a_repeated_evaluation_asks_for_nothing_and_a_longer_one_for_what_is_new(api, tmp_path):
    url, faults = api
    prices = {"api_price_in": 2.0, "api_price_out": 10.0}
    first = ApiModel("tiny", options(url, tmp_path, **prices), temperature=1)
    record, replies = played(first, episodes=3, num_envs=3)
    assert len(set(replies.values())) == len(replies), "each step has a sample of its own"
    spent, count = first.spending, len(replies)
    assert (spent.requests, spent.retries, spent.cached) == (count, 0, 0)
    assert len(faults.seen) == count
    expected = (spent.prompt_tokens * 2 + spent.reply_tokens * 10) / 1e6
    assert record.cost == pytest.approx(expected)
    assert record.tokens_per_step == spent.reply_tokens / count
    again = ApiModel("tiny", options(url, tmp_path, **prices), temperature=1)
    assert played(again, episodes=3, num_envs=2) == (record, replies)
    assert (again.spending.requests, again.spending.cached) == (0, count)
    assert len(faults.seen) == count
    more, longer = played(again, episodes=4)
    assert len(faults.seen) == len(longer) > count
    assert more.episodes == 4
    other = ApiModel("tiny", options(url, tmp_path), temperature=0.5)
    assert played(other, episodes=1)[1] != {(0, 0): replies[0, 0]}


def test_replies_from_the_cache_serve_every_parser(api, tmp_path):
    url, faults = api
    env = make_env(NUMBER_LINE)
    observation = observe(task_of(env), *env.reset(seed=0))
    first = ApiModel("tiny", options(url, tmp_path), temperature=0)
    second = ApiModel("tiny", options(url, tmp_path), temperature=0, parser="published")
    (reply,) = first.act_in_episodes([observation], [0])
    (again,) = second.act_in_episodes([observation], [0])
    assert again.text == reply.text
    assert len(faults.seen) == 1
    answer = Answer("I choose +", None, None)
    assert first._reply(observation, answer).action is None
    assert second._reply(observation, answer).action == 1


def test_a_greedy_model_is_asked_each_question_once(api, tmp_path):
    url, faults = api
    model = ApiModel("tiny", options(url, tmp_path), temperature=0)
    _, replies = played(model, episodes=12, num_envs=6)
    bodies = {json.dumps(body) for body in faults.seen}
    assert len(bodies) == len(faults.seen) == model.spending.requests < len(replies)


def test_what_passes_is_tried_again_until_it_has_passed(policy, api, tmp_path):
    url, faults = api
    faults.coming = [fault for fault in FAULTS for _ in range(2)]
    given = options(url, tmp_path, api_retries=len(faults.coming), api_concurrency=3)
    model = ApiModel("tiny", given, temperature=0)
    asked, answers = played(model, episodes=5, num_envs=5)
    direct, replies = played(policy, episodes=5, num_envs=5)
    assert answers == replies
    assert same(asked, direct)
    spent = model.spending
    assert spent.retries == 2 * len(FAULTS)
    assert spent.requests == len(faults.seen)
    assert spent.requests - spent.retries == len({json.dumps(body) for body in faults.seen})


@pytest.mark.parametrize("nothing", ["nothing", "cut_short"])
def test_a_model_that_says_nothing_has_replied(api, tmp_path, nothing):
    url, faults = api
    faults.always = nothing
    record = evaluate(ApiModel("tiny", options(url, tmp_path)), NUMBER_LINE, episodes=2)
    assert record.illegal_rate == 1
    assert record.tokens_per_step is record.cost is None


def test_content_in_parts_is_their_text(api, tmp_path):
    url, faults = api
    faults.always = "in_parts"
    _, replies = played(ApiModel("tiny", options(url, tmp_path)), episodes=1)
    assert set(replies.values()) == {"{}!"}


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        ((401, {}, None), r"rejects the request: HTTP 401, .*wrong: Bearer \[key\]", 1),
        ((429, {}, "insufficient_quota"), "rejects the request: HTTP 429", 1),
        ((429, {"Retry-After": "4000"}, None), "asks to wait 4000 seconds", 1),
        ((500, {}, None), "failed 3 times, the last time: HTTP 500", 3),
        ("error", r"failed 3 times, the last time: the answer is an error \(out of memory\)", 3),
        ("plain_error", r"the last time: the answer is an error \(out of memory\)", 3),
        ("nonsense", "failed 3 times, the last time: the answer is invalid", 3),
        ("cut_off", "failed 3 times, the last time: the connection broke", 3),
        ("slow", "failed 3 times, the last time: no answer within", 3),
    ],
)
def test_what_does_not_pass_ends_with_what_is_wrong(api, tmp_path, fault, message, requests):
    url, faults = api
    faults.always = fault
    model = ApiModel("tiny", options(url, tmp_path, api_retries=2, api_timeout=0.3))
    with pytest.raises(ApiError, match=message) as raised:
        evaluate(model, NUMBER_LINE, episodes=1)
    assert len(faults.seen) == model.spending.requests == requests
    assert KEY not in str(raised.value)


def test_an_evaluation_that_failed_goes_on_without_asking_again(api, tmp_path):
    url, faults = api
    arguments = {"episodes": 5, "num_envs": 3, "progress": tmp_path / "progress"}
    faults.coming, faults.always = [None] * 7, (403, {}, None)
    model = ApiModel("tiny", options(url, tmp_path, api_concurrency=2), temperature=1)
    with pytest.raises(ApiError, match="HTTP 403"):
        played(model, **arguments)
    faults.always = None
    failed = len(faults.seen) - 7
    again = ApiModel("tiny", options(url, tmp_path, api_concurrency=2), temperature=1)
    record, _ = played(again, **arguments)
    steps = record.episodes * record.mean_length
    assert again.spending.requests == steps - 7
    assert len(faults.seen) == steps + failed
    assert played(again, episodes=5)[0] == record


def test_a_server_that_asks_to_wait_is_not_asked_by_anybody(api, tmp_path, monkeypatch):
    url, faults = api
    soon = formatdate(time() + 2, usegmt=True)
    faults.coming = [(429, {"Retry-After": soon}, None)]
    closed = []
    monkeypatch.setattr(Gate, "close_for", lambda self, seconds: closed.append(seconds))
    evaluate(ApiModel("tiny", options(url, tmp_path)), NUMBER_LINE, episodes=1)
    (seconds,) = closed
    assert 0 <= seconds <= 2


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_no_more_requests_in_any_minute_than_allowed():
    clock = Clock()
    gate = Gate(requests_per_minute=2, clock=clock)
    assert isinstance(gate.enter(5), Ticket)
    clock.now += 10
    assert isinstance(gate.enter(5), Ticket)
    assert gate.enter(5) == 50
    clock.now += 50
    assert isinstance(gate.enter(5), Ticket)
    assert gate.enter(5) == 10


def test_no_more_tokens_in_any_minute_than_allowed():
    clock = Clock()
    gate = Gate(tokens_per_minute=100, clock=clock)
    first = gate.enter(60)
    clock.now += 20
    assert gate.enter(50) == 40
    first.tokens = 30  # it took less than was thought
    assert isinstance(gate.enter(50), Ticket)
    assert gate.enter(60) == 60
    clock.now += 60
    assert isinstance(gate.enter(1000), Ticket), "one too large for any minute has one for itself"
    assert gate.enter(1) == 60


def test_a_closed_gate_lets_nothing_through():
    clock = Clock()
    gate = Gate(clock=clock)
    gate.close_for(5)
    gate.close_for(3)
    assert gate.enter(1) == 5
    clock.now += 5
    assert isinstance(gate.enter(1), Ticket)


def test_limits_are_kept_by_the_client(api, tmp_path, monkeypatch):
    """No more than the allowed requests are sent; the next would wait for a minute."""
    url, _ = api
    monkeypatch.setattr("vlm_agent.serving.rate_limit._MINUTE", 0.5)
    given = options(url, tmp_path, api_requests_per_minute=3)
    started = time()
    model = ApiModel("tiny", given, temperature=1)
    _, replies = played(model, episodes=2, num_envs=2)
    assert time() - started > 0.5 * ((len(replies) - 1) // 3)


def test_earlier_steps_and_further_fields_are_sent(api, tmp_path):
    url, faults = api
    given = options(
        url,
        tmp_path,
        api_history_length=2,
        api_cot=False,
        api_extra={"seed": 4, "user": "x"},
        api_limit_field="max_completion_tokens",
    )
    evaluate(ApiModel("tiny", given, top_p=0.5), NUMBER_LINE, episodes=3, num_envs=3)
    pictures = [
        [part["type"] for part in body["messages"][0]["content"]].count("image_url")
        for body in faults.seen
    ]
    assert max(pictures) == 3
    last = faults.seen[-1]
    assert (last["seed"], last["user"], last["top_p"]) == (4, "x", 0.5)
    assert last["max_completion_tokens"] == 24
    assert not {"max_tokens", "temperature"} & set(last)
    assert "thoughts" not in last["messages"][0]["content"][-1]["text"]


def test_earlier_actions_are_sent_as_text(api, tmp_path):
    url, faults = api
    given = options(url, tmp_path, api_history="actions", api_history_length=9, api_max_tokens=4)
    seen = []
    evaluate(ApiModel("tiny", given), NUMBER_LINE, episodes=1, num_envs=1, on_step=seen.append)
    assert len(seen) > 2
    for step, body in zip(seen, faults.seen, strict=True):
        (message,) = body["messages"]
        assert [part["type"] for part in message["content"]] == ["image_url", "text"]
        past = [json.dumps(each.observation.actions[each.action]) for each in seen[: step.index]]
        told = f"\nBefore, you chose {', then '.join(past)}.\n" if past else "You can choose"
        assert told in message["content"][1]["text"]


def test_a_conversation_is_sent_turn_by_turn(api, tmp_path):
    url, faults = api
    given = options(url, tmp_path, api_history="replies", api_history_length=2, api_max_tokens=4)
    model = ApiModel("tiny", given, temperature=0)
    seen = []
    evaluate(model, NUMBER_LINE, episodes=1, num_envs=1, on_step=seen.append)
    assert len(seen) > 2
    last = seen[-1].observation
    replies = [step.reply.text for step in seen[-3:-1]]
    messages = next(b for b in faults.seen if len(b["messages"]) == 5)["messages"]
    assert [m["role"] for m in messages] == ["user", *["assistant", "user"] * 2]
    assert [step.reply for step in last.history] == replies
    for message in messages:
        kinds = [part["type"] for part in message["content"]]
        assert kinds == (["text"] if message["role"] == "assistant" else ["image_url", "text"])
    plain = ApiModel("tiny", options(url, tmp_path, api_max_tokens=4), temperature=0)
    first = seen[0].observation
    assert model._key(first, [0]) == plain._key(first, [0]), "equal prompts share replies"
    assert model._key(last, [0]) != plain._key(last, [0])


def test_the_command_tells_what_was_spent_and_the_key_nobody(api, tmp_path, capsys, caplog):
    url, faults = api
    caplog.set_level(logging.DEBUG)
    words = ["eval", "--policy", "api:tiny", "random", "--env", NUMBER_LINE, "--episodes", "3"]
    words += ["--api-base-url", url, "--api-max-tokens", "24", "--temperature", "0"]
    words += ["--api-cache", str(tmp_path / "cache.sqlite"), "--json", str(tmp_path / "records")]
    words += ["--record", str(tmp_path / "episodes"), "--api-price-in", "1", "--api-price-out", "3"]
    faults.coming = [(500, {}, None), None, None, (401, {}, None)]
    assert main([*words, "--api-concurrency", "1"]) == 1
    told = capsys.readouterr()
    assert "api:tiny: 4 requests, 1 of them after failures" in told.out
    assert "rejects the request: HTTP 401" in told.err
    assert main(words) == 0
    again = capsys.readouterr()
    assert ", cost 0.0" in again.out
    count = len(faults.seen)
    assert main(words) == 0
    last = capsys.readouterr()
    assert "api:tiny: 0 requests, 0 of them after failures" in last.out
    assert len(faults.seen) == count
    record = json.loads((tmp_path / "records").read_text().splitlines()[0])
    assert record["cost"] > 0
    texts = [each for told in (told, again, last) for each in told] + [caplog.text]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [text for text in texts if KEY in text]
    assert not [data for data in files if KEY.encode() in data]


def test_a_key_is_needed_but_on_this_machine(monkeypatch, tmp_path):
    given = options("https://api.example.org/v1", tmp_path)
    ApiModel("m", given)
    monkeypatch.delenv("OPENAI_API_KEY")
    ApiModel("m", replace(given, api_base_url="http://localhost:9/v1"))
    for wrong in (given, ApiOptions()):
        with pytest.raises(ValueError, match="OPENAI_API_KEY holds no key for api"):
            ApiModel("m", wrong)
    monkeypatch.setenv("OTHER_KEY", KEY)
    ApiModel("m", replace(given, api_key_variable="OTHER_KEY"))
    with pytest.raises(ValueError, match="contains a user name, password or query") as raised:
        ApiModel("m", replace(given, api_base_url=f"https://me:{KEY}@example.org/v1"))
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["api:"], "no model is named"),
        (["api:x", "--api-cache", "FILE"], "is not a cache of replies"),
        (["api:x", "--api-cache", "/proc/none/x.sqlite"], "/proc/none"),
    ],
)
def test_mistakes_are_known_before_anything_is_asked(words, message, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("no cache at all, but a text that is long enough to be looked at " * 20)
    words = [str(file) if word == "FILE" else word for word in words]
    assert main(["eval", "--env", NUMBER_LINE, "--policy", *words]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--api-price-in", "3"], "both --api-price-in and --api-price-out"),
        (["--api-concurrency", "0"], "api_concurrency=0"),
        (["--top-k", "5"], "top_k=5: the API has no such parameter"),
    ],
)
def test_wrong_options_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        main(["eval", "--env", NUMBER_LINE, "--policy", "api:x", *words])
    assert message.replace(" ", "") in "".join(capsys.readouterr().err.split()).replace("│", "")


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ImportError, match=r'pip install "gym-cards\[api\]"'):
        ApiModel("m")


def test_a_cache_may_be_shared_and_outlives_its_writer(tmp_path):
    one, two = ReplyCache(tmp_path / "x" / "c"), ReplyCache(tmp_path / "x" / "c")
    assert two.get("q") is None
    one.put("q", {"text": "ä"})
    one.close()
    assert two.get("q") == {"text": "ä"}


def test_pictures_that_differ_are_different_questions(tmp_path):
    model = ApiModel("m", options("http://localhost:9/v1", tmp_path), temperature=0)
    env = make_env(NUMBER_LINE)
    now = observe(task_of(env), *env.reset(seed=0))
    changed = now.image.copy()
    changed[0, 0, 0] ^= 1
    keys = {model._key(each, [0]) for each in (now, replace(now, image=changed), now)}
    assert len(keys) == 2
    turned = replace(now, image=np.ascontiguousarray(now.image.transpose(1, 0, 2)))
    assert model._key(turned, [0]) not in keys
