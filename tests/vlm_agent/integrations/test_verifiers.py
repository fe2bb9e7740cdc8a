"""verifiers' own runner, at scripted models and at a served policy."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tests.support.counted_env import CountedEnv
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.integrations.episode import Episode
from vlm_agent.integrations.pictures import read_picture

pytest.importorskip("verifiers")
import verifiers.v1 as vf

from vlm_agent.integrations.verifiers import last_picture_only

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "verifiers"
PACKAGE = "gym-cards-games"
NUMBER_LINE = "gym_cards/NumberLine-v0"


class Scripted(ThreadingHTTPServer):
    """An OpenAI-compatible server whose replies a function gives, and which keeps requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, reply):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply, self.requests = reply, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        text = self.server.reply(body["messages"])
        status = 200 if text is not None else 400
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        data = json.dumps(answer if text is not None else {"error": {"message": "no"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """The example as if it were installed."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def scripted():
    servers = []

    def make(reply):
        servers.append(Scripted(reply))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def load(player=None, cot=True, **taskset):
    return vf.load_environment(
        vf.resolve_env_config(
            {"taskset": {"id": PACKAGE, **taskset}, "player": player or {}, "cot": cot}
        )
    )


def play(env, url, count, model="scripted", **sampling):
    """Returns the traces of the first tasks."""
    context = vf.ModelContext(
        client=vf.EvalClientConfig(base_url=url, api_key_var="NO_KEY"),
        model=model,
        sampling=vf.SamplingConfig(**sampling),
    )

    async def run():
        async with env.serving():
            slots = [slot for task in env.taskset.take(count) for slot in env.slots(task)]
            return await asyncio.gather(*(env.run_slot(slot, context) for slot in slots))

    return asyncio.run(run())


def pictures_of(messages):
    return [
        read_picture(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


def test_a_turn_is_a_step_of_the_environment(scripted):
    env_id = "gym_cards/Points24-v0"
    # The fourth and the sixth name no action.
    words = [json.dumps({"thoughts": "?", "action": name}) for name in ("10", "+", "3")]
    words += ["I pass.", '{"action": "("}', "", '{"action": "="}']
    server = scripted(lambda messages: words[sum(m["role"] == "assistant" for m in messages)])
    (episode,) = play(load(envs=[env_id], split="test"), server.url, 1, temperature=0.5)
    assert episode.ok
    (trace,) = episode.traces

    direct = Episode(env_id)
    direct.reset(episode_seeds("evaluation", 0, 1)[0])
    shown, turns = [], []
    for text in words:
        shown.append(direct.observation.image)
        before = direct.observation
        valid = direct.answer(text)
        turns.append((direct.reward, valid))
        assert before.actions
        if direct.over:
            break
    assert [(turn["reward"], turn["action_is_valid"]) for turn in trace.info["turns"]] == turns
    assert trace.reward == trace.rewards["episode_return"].value == direct.total_reward
    illegal = sum(not valid for _, valid in turns)
    assert illegal == 2
    assert trace.metrics == {
        "success": float(direct.success),
        "truncated": float(direct.truncated),
        "illegal_rate": illegal / len(turns),
        "steps": len(turns),
    }
    last = server.requests[-1]
    assert last["temperature"] == 0.5
    assert [m["role"] for m in last["messages"]] == ["user", "assistant"] * (len(turns) - 1) + [
        "user"
    ]
    for picture, expected in zip(pictures_of(last["messages"]), shown, strict=True):
        assert (picture == expected).all()
    assert trace.num_turns == len(turns)
    assert trace.num_branches == 1
    direct.close()


def test_only_the_last_picture_if_asked(scripted):
    server = scripted(lambda messages: '{"action": "1"}')
    player = {"harness": {"id": PACKAGE, "last_picture_only": True}, "max_turns": 3}
    env = load(player, envs=["gym_cards/EZPoints-v0"])
    (episode,) = play(env, server.url, 1)
    assert episode.ok
    assert len(server.requests) == 3
    for number, body in enumerate(server.requests):
        assert len(pictures_of(body["messages"])) == 1
        assert body["messages"][-1]["content"][0]["type"] == "image_url"
        assert len(body["messages"]) == 2 * number + 1
    (trace,) = episode.traces
    assert trace.num_turns == 3
    assert trace.num_branches == 3
    assert trace.stop_condition == "max_turns"


def test_words_take_the_place_of_earlier_pictures():
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    text = {"type": "text", "text": "What now?"}
    messages = [
        {"role": "system", "content": "Play."},
        {"role": "user", "content": [picture, text]},
        {"role": "assistant", "content": "This."},
        {"role": "user", "content": [picture, picture, text]},
    ]
    before = json.dumps(messages)
    result = last_picture_only(messages)
    assert json.dumps(messages) == before
    assert [[part["type"] for part in m["content"]] for m in (result[1], result[3])] == [
        ["text", "text"],
        ["text", "image_url", "text"],
    ]
    assert last_picture_only(messages[:1]) == messages[:1]


def test_tasks_take_turns_and_keep_their_names():
    both = [NUMBER_LINE, "gym_cards/Blackjack-v0"]
    tasks = list(load(envs=both, split="test").taskset)
    assert [task.data.env for task in tasks[:4]] == both * 2
    assert [task.data.seed for task in tasks[::2]] == list(episode_seeds("evaluation", 0, 1000))
    assert len({task.key for task in tasks}) == len(tasks) == 2000
    alone = list(load(envs=both[1:], split="test").taskset)
    assert [task.key for task in alone] == [task.key for task in tasks[1::2]]
    assert alone[0].key == "gym_cards/Blackjack-v0:test#0"
    train = list(load(envs=both[:1]).taskset)
    assert not {task.data.seed for task in train} & {task.data.seed for task in tasks}


def test_every_game_is_played(scripted):
    def reply(messages):
        prompt = messages[-1]["content"][-1]["text"]
        choices = prompt.partition("You can choose between ")[2]
        name, _ = json.JSONDecoder().raw_decode(choices)
        return json.dumps({"action": name})

    env = load({"max_turns": 3}, envs=["gym_cards"], split="test", cot=False)
    count = len({task.data.env for task in env.taskset.take(100)})
    assert count > 20
    episodes = play(env, scripted(reply).url, count)
    assert not [e.task.data.env for e in episodes if not e.ok]
    assert len({episode.task.data.env for episode in episodes}) == count
    for episode in episodes:
        assert episode.traces[0].metrics["illegal_rate"] == 0
        assert episode.traces[0].metrics["steps"] >= 1


def test_listed_games(scripted):
    with CountedEnv.registered(games=("easy", "hard")) as name:
        env = load(envs=[name], split="games")
        episodes = play(env, scripted(lambda messages: '{"action": "go"}').url, 9)
        assert CountedEnv.alive() == 0
    assert [episode.task.data.name for episode in episodes] == [f"{name} easy", f"{name} hard"]
    assert [episode.traces[0].reward for episode in episodes] == [3.0, 3.0]
    assert all(episode.traces[0].metrics["success"] for episode in episodes)


def test_a_model_that_fails_is_an_error_and_closes_the_environment(scripted):
    replies = iter(['{"action": "go"}'])
    with CountedEnv.registered() as name:
        (episode,) = play(load(envs=[name]), scripted(lambda messages: next(replies, None)).url, 1)
        assert CountedEnv.alive() == 0
    assert not episode.ok
    (trace,) = episode.traces
    assert trace.stop_condition == "provider_error", trace.errors
    assert trace.metrics["steps"] == 1


def test_a_served_policy_plays(make_policy):
    from vlm_agent.serving.server import serving

    policy = make_policy(temperature=1.0)
    with serving(policy, "tiny") as url:
        env = load({"max_turns": 2}, envs=[NUMBER_LINE], cot=False)
        episodes = play(env, url, 2, model="tiny", max_tokens=8)
    assert all(episode.ok for episode in episodes), [e.errors for e in episodes]
    for episode in episodes:
        (trace,) = episode.traces
        assert trace.num_turns == len(trace.info["turns"]) >= 1
        assert np.isfinite(trace.reward)


def test_its_command_evaluates(scripted, tmp_path):
    server = scripted(lambda messages: '{"action": "+"}')
    words = [PACKAGE, "-n", "3", "-m", "scripted", "--no-push", "--no-rich", "-o", str(tmp_path)]
    words += ["--env.taskset.split", "test", "--client.base-url", server.url]
    words += ["--client.api-key-var", "NO_KEY"]
    code = "import sys; from verifiers.v1.cli.eval.main import main; sys.exit(main())"
    path = os.pathsep.join([str(ROOT), str(EXAMPLE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "NO_PROXY": "*"},
    )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.rglob("traces.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(records) == 3
    assert "episode_return" in file.read_text()
