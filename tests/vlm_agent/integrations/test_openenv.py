"""OpenEnv's own client and validator, at a server of environments."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym
import httpx
import numpy as np
import pytest

import gym_cards  # noqa: F401 - registers the environments
from tests.support.counted_env import CountedEnv
from tests.vlm_agent.conftest import BROWSER
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.integrations.episode import Episode
from vlm_agent.integrations.suite import Suite

openenv = pytest.importorskip("openenv")
import uvicorn  # noqa: E402
from openenv.cli._validation import validate_running_environment  # noqa: E402
from openenv.validation import Level, run_validation  # noqa: E402
from websockets.asyncio.client import connect  # noqa: E402

from vlm_agent.integrations.openenv import GameAction, GameEnv, make_app  # noqa: E402

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "openenv"
NUMBER_LINE = "gym_cards/NumberLine-v0"
# All that are registered, except for ALFWorld where it is not installed.
GAMES = [name for name in gym.registry if name.startswith("gym_cards/")]
if find_spec("textworld") is None:
    GAMES.remove("gym_cards/ALFWorld-v0")


@contextmanager
def running(suite, **options):
    """Serves a suite from a thread, and yields the URL."""
    server = uvicorn.Server(
        uvicorn.Config(make_app(suite, **options), port=0, log_level="error", ws_ping_interval=0.5)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def url():
    """A server of all the games."""
    with running(Suite(["gym_cards"])) as url:
        yield url


@pytest.fixture
def client(url):
    with GameEnv(base_url=url).sync() as client:
        yield client


def played(client, reset, choose, most=12):
    """Returns what an episode showed through the server."""
    result = client.reset(**reset)
    seen = [result]
    while not result.done and len(seen) < most:
        names = result.observation.actions
        result = client.step(GameAction(action=names[choose(len(seen), len(names))]))
        seen.append(result)
    return seen


def played_directly(env, seed, choose, most=12):
    """Returns the same without the server: pictures, rewards, ends, successes."""
    made = gym.make(env)
    picture, info = made.reset(seed=seed)
    seen, over = [(picture, None, False, info)], False
    while not over and len(seen) < most:
        names = made.get_wrapper_attr("action_names") or info["admissible_commands"]
        action = choose(len(seen), len(names))
        if made.get_wrapper_attr("action_names") is None:
            action = names[action]
        picture, reward, terminated, truncated, info = made.step(action)
        over = terminated or truncated
        seen.append((np.array(picture), reward, over, info))
    made.close()
    return seen


def same(through, directly):
    assert len(through) == len(directly)
    for result, (picture, reward, over, info) in zip(through, directly, strict=True):
        assert (result.observation.picture() == picture).all()
        assert result.reward == result.observation.reward == reward
        assert result.done == result.observation.done == over
        assert result.observation.success == info["is_success"]


def test_validator_of_running_servers(url):
    report = validate_running_environment(url)
    assert report["passed"], report
    assert report["mode"] == "simulation"


def test_task_api_lists_every_id(url):
    assert httpx.get(f"{url}/list_environments").json() == ["gym_cards"]
    splits = httpx.get(f"{url}/gym_cards/splits").json()
    assert splits == [
        {"name": f"{name}:{kind}", "type": kind} for name in GAMES for kind in ("train", "test")
    ]

    def ask(what, **body):
        return httpx.post(f"{url}/gym_cards/{what}", json=body)

    split = f"{NUMBER_LINE}:test"
    assert ask("num_tasks", split=split).json() == {"num_tasks": 1000}
    tasks = ask("tasks", split=split).json()["tasks"]
    assert len(tasks) == 1000
    assert ask("task", split=split, index=4).json()["task"] == tasks[4]
    assert ask("task_range", split=split, start=-2).json()["tasks"] == tasks[-2:]
    assert ask("task", split=split, index=1000).status_code == 400
    wrong = ask("task", split="gym_cards/NumberLine-v0:tset", index=0)
    assert wrong.status_code == 400
    assert "did you mean 'gym_cards/NumberLine-v0:test'" in wrong.text


def test_the_test_split_gives_the_result_of_eval(client):
    expected = evaluate(lambda observation: 1, NUMBER_LINE, episodes=8)
    wins = 0
    for index in range(8):
        seen = played(client, {"split": f"{NUMBER_LINE}:test", "index": index}, lambda *_: 1)
        wins += seen[-1].observation.success
    assert wins / 8 == expected.success_rate


@pytest.mark.parametrize("env", GAMES)
def test_an_episode_is_that_of_gym_make(client, env):
    draw = np.random.default_rng(5).integers(10**6, size=20)

    def choose(step, count):
        return int(draw[step] % count)

    same(played(client, {"env": env, "seed": 11}, choose), played_directly(env, 11, choose))
    state = client.state()
    assert (state.env, state.seed) == (env, 11)


def test_replies_and_names(client):
    direct = Episode("gym_cards/Points24-v0")
    direct.reset(2)
    client.reset(env="gym_cards/Points24-v0", seed=2)
    for action, name in (
        ({"action": "10"}, "10"),
        ({"action": " + "}, "+"),
        ({"action": '{"cards": "3 4", "thoughts": "take 3", "action": "3"}'}, "3"),
        ({"cards": "3 4", "thoughts": "(", "action": "("}, "("),
        ({"action": 10}, "10"),
    ):
        direct.play(direct.observation.actions.index(name))
        result = client.step(GameAction(**action))
        assert (result.observation.played, result.observation.action_is_valid) == (name, True)
        assert result.reward == direct.reward
    # A legal action in place of one that is not named, the same as in any other integration.
    for text in ("", "not +", "I do not know", '{"action": "11"}', '{"thoughts": "+"}'):
        direct.answer(text)
        result = client.step(GameAction(action=text))
        assert result.observation.action_is_valid is False
        assert result.observation.played in direct.observation.actions
        assert (result.observation.picture() == direct.observation.image).all()
    assert client.state().step_count == 10
    direct.close()


def test_state_and_prompts(client):
    result = client.reset(env=NUMBER_LINE, seed=4, episode_id="mine")
    state = client.state()
    assert (state.episode_id, state.step_count, state.seed) == ("mine", 0, 4)
    assert set(state.fields) == {"target number", "current number"}
    # What the picture shows is not told in words.
    shown = result.observation.model_dump_json()
    assert not any(f'"{name}": "{value}"' in shown for name, value in state.fields.items())
    assert '"action": "..."' in result.observation.prompt
    assert result.observation.image_format == "png"
    seeds = set()
    for _ in range(3):  # without a seed: another one each time, none of evaluation
        client.reset()
        seeds.add(client.state().seed)
    assert len(seeds) == 3
    assert not any(seed % 2 for seed in seeds)
    assert client.state().env == NUMBER_LINE  # that of the last episode


@pytest.mark.parametrize(
    ("reset", "message"),
    [
        ({"sede": 1}, "reset has no arguments"),
        ({"split": f"{NUMBER_LINE}:test"}, "expected split and index"),
        ({"split": f"{NUMBER_LINE}:test", "index": 1, "seed": 1}, "expected split and index"),
        ({"split": f"{NUMBER_LINE}:test", "index": 1000}, "has tasks 0 to 999"),
        ({"env": "gym_cards/Nothing-v0"}, "no environment 'gym_cards/Nothing-v0'"),
        ({"seed": -1}, "seed"),
        ({"seed": "4"}, "seed='4': expected a whole number"),
        ({"split": f"{NUMBER_LINE}:test", "index": 0.5}, "index=0.5: expected a whole number"),
        ({"env": [NUMBER_LINE]}, "expected text"),
    ],
)
def test_a_wrong_reset_is_refused_and_the_session_goes_on(client, reset, message):
    with pytest.raises(RuntimeError, match=message):
        client.reset(**reset)
    assert client.reset(env=NUMBER_LINE, seed=1).observation.env == NUMBER_LINE


def test_a_reset_that_fails_half_way_leaves_no_other_environment(client):
    client.reset(env=NUMBER_LINE, seed=2)
    with pytest.raises(RuntimeError, match="seed"):
        client.reset(env="gym_cards/Blackjack-v0", seed=-1)
    found = client.reset(env=NUMBER_LINE, seed=2).observation
    assert "hit" not in found.actions


def test_steps_out_of_turn_are_refused(url, client):
    with pytest.raises(RuntimeError, match="call reset first"):
        client.step(GameAction(action="+"))
    played(client, {"env": "gym_cards/VideoPoker-v0", "seed": 1}, lambda *_: 0)
    with pytest.raises(RuntimeError, match="the episode is over"):
        client.step(GameAction(action="hold nothing"))
    answer = httpx.post(f"{url}/step", json={"action": {"action": "+"}})
    assert answer.status_code == 400
    assert "over the same connection" in answer.json()["detail"]
    assert httpx.post(f"{url}/step", json={"action": {"act": "+"}}).status_code == 422


def test_32_sessions_at_once_and_none_is_left():
    games = [name for name in GAMES if "ALFWorld" not in name]  # which is slow
    with CountedEnv.registered(length=6, seconds=0.02) as counted:
        suite = Suite([*games, counted])
        with running(suite, max_sessions=32) as url:
            together = threading.Barrier(32)

            def session(number):
                env = games[number % len(games)]
                with GameEnv(base_url=url).sync() as client:
                    client.reset(env=counted, seed=number)
                    together.wait(60)
                    if number == 0:
                        assert CountedEnv.alive() == 32
                        with (
                            GameEnv(base_url=url).sync() as late,
                            pytest.raises(RuntimeError, match="CAPACITY_REACHED"),
                        ):
                            late.reset()
                    together.wait(60)

                    def choose(step, count):
                        return (step * 7 + number) % count

                    for name in (counted, env, counted):
                        through = played(client, {"env": name, "seed": number}, choose)
                        same(through, played_directly(name, number, choose))

            with ThreadPoolExecutor(32) as pool:
                for outcome in [pool.submit(session, number) for number in range(32)]:
                    outcome.result()
            until(lambda: CountedEnv.alive() == 0)
            with GameEnv(base_url=url).sync() as again:  # the places are free again
                again.reset(env=counted, seed=0)


def test_a_dropped_connection_closes_its_environment():
    with (
        CountedEnv.registered(length=9, seconds=0.05) as name,
        running(Suite([name]), max_sessions=4) as url,
    ):

        async def drop(step):
            socket_ = await connect(f"{url.replace('http', 'ws')}/ws")
            await socket_.send(json.dumps({"type": "reset", "data": {"seed": 1}}))
            await socket_.recv()
            if step:  # while the environment is busy
                await socket_.send(json.dumps({"type": "step", "data": {"action": "go"}}))
            assert CountedEnv.alive() > 0
            socket_.transport.abort()

        for _ in range(3):  # more than there are places
            for step in (False, True):
                asyncio.run(drop(step))
                until(lambda: CountedEnv.alive() == 0)


def test_a_silent_client_is_noticed():
    """A machine that vanished neither closes its connection nor answers pings."""
    with CountedEnv.registered() as name, running(Suite([name]), max_sessions=1) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert b"101" in silent.recv(100)
            text = b'{"type": "reset", "data": {}}'
            silent.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            until(lambda: CountedEnv.alive() == 1)
            until(lambda: CountedEnv.alive() == 0, 40)


def test_stopping_the_server_closes_the_environments():
    with CountedEnv.registered() as name:
        with running(Suite([name])) as url:
            client = GameEnv(base_url=url).sync()
            client.connect()
            client.reset()
            assert CountedEnv.alive() == 1
        until(lambda: CountedEnv.alive() == 0)
        client.close()


def test_idle_sessions_are_closed():
    with (
        CountedEnv.registered() as name,
        running(Suite([name]), session_timeout=0.1) as url,
        GameEnv(base_url=url).sync() as client,
    ):
        client.reset()
        until(lambda: CountedEnv.alive() == 0, 30)


class LocalProvider:
    """Runs the example as its Dockerfile does, without Docker, for OpenEnv's validator."""

    name = "local"
    supported_network_modes = frozenset({"public"})

    def __init__(self):
        from openenv.validation.types import ProviderCapability

        self.capabilities = frozenset({ProviderCapability.IMAGE_BUILD})

    def build(self, root, execution):
        command = re.findall(r"^CMD (.*)$", (root / execution.dockerfile).read_text("utf-8"), re.M)
        self.root, self.command = root, json.loads(command[-1])
        return "sha256:" + "0" * 64

    def start(self, spec):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [word if word != "8000" else str(port) for word in self.command]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": path, "ENVS": NUMBER_LINE},
        )
        self.base_url = f"http://127.0.0.1:{port}"
        until(self._answers, 300)
        return self

    def _answers(self):
        assert self.process.poll() is None
        try:
            return httpx.get(f"{self.base_url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def inspect(self):
        return {}

    def logs(self, max_bytes=65536):
        return ""

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def test_validator_of_packages_passes_the_example():
    static = run_validation(EXAMPLE, max_level=Level.STATIC)
    assert static.verdict.value == "pass", static
    report = run_validation(EXAMPLE, max_level=Level.RUNTIME, provider=LocalProvider())
    status = {result.check_id: result.status.value for result in report.results}
    found = Counter(status.values())
    assert not found["fail"], report
    assert not found["error"], report
    for check in (
        "static.manifest",
        "runtime.startup",
        "runtime.reward_well_formed",
        "runtime.observation_schema",
        "runtime.state_contract",
    ):
        assert status[check] == "pass", report


def test_command_serves_until_interrupted():
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm_agent", "openenv", "--env", NUMBER_LINE, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        first, second = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("1 environment served at http://127.0.0.1:")
        page = httpx.get(second.split()[-1])
        assert page.headers["content-type"].startswith("text/html")
        root = httpx.get(first.split()[4], follow_redirects=True)
        assert root.url == page.url
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_the_code_of_the_docs(url, capsys):
    page = (ROOT / "docs" / "training" / "openenv.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert "http://127.0.0.1:8000" in code

    def my_model(picture, prompt):
        assert picture.shape == (300, 300, 3)
        assert "Points24" in prompt
        return '{"action": "="}'

    exec(code.replace("http://127.0.0.1:8000", url), {"my_model": my_model})
    assert capsys.readouterr().out == "-1.0 False\n"


def test_torch_is_not_needed():
    code = (
        "import sys, vlm_agent.integrations.openenv, vlm_agent.cli.openenv\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.skipif(BROWSER is None, reason="needs a browser")
def test_page(url):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(error))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"{url}/web")
        page.get_by_text("You can choose between").wait_for()
        page.select_option("#split", "gym_cards/VideoPoker-v0:test")
        page.get_by_role("button", name="Reset").click()
        page.get_by_text("gym_cards/VideoPoker-v0, in play").wait_for()
        assert page.evaluate("document.getElementById('picture').naturalWidth") == 300
        page.fill("#reply", "no idea")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("at random: the reply names no action").wait_for()
        page.get_by_text("The episode is over").wait_for()
        assert page.locator("#actions button:enabled").count() == 0
        page.fill("#index", "1000")
        page.get_by_role("button", name="Reset").click()
        page.get_by_text("has tasks 0 to 999").wait_for()
        assert not problems
        browser.close()
