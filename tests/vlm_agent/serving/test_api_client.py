"""Waiting for an API: between attempts, and for its answer."""

import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest

from tests.support.web_server import web_server
from vlm_agent.config.api import ApiOptions
from vlm_agent.serving import api_client
from vlm_agent.serving.api_client import ApiClient, ApiError

REQUEST = {"model": "tiny", "messages": [], "max_tokens": 1}


@contextmanager
def answering(answer):
    """Yields the URL of a server whose every answer a function of the handler sends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, *args):
            pass

    with web_server(Handler) as address:
        yield f"{address}/v1"


PAST = formatdate(0, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"retry-after-ms": "20"}, 0.02 + 0.2 + 0.4),  # taken at its word once
        ({"retry-after-ms": "0"}, 0.1 + 0.2 + 0.4),
        ({"retry-after-ms": "nan"}, 0.1 + 0.2 + 0.4),
        ({"Retry-After": "0"}, 0.1 + 0.2 + 0.4),
        ({"Retry-After": "nan"}, 0.1 + 0.2 + 0.4),
        ({"Retry-After": PAST}, 0.1 + 0.2 + 0.4),
        ({"retry-after-ms": "300"}, 3 * 0.3),
    ],
    ids=str,
)
def test_retries_are_spread_even_if_the_server_asks_for_no_wait(monkeypatch, headers, least):
    monkeypatch.setattr(api_client, "_FIRST_WAIT", 0.2)  # of which at least half, for jitter
    seen = []

    def refuse(handler):
        seen.append(time.monotonic())
        handler.send_response(429)
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()

    with answering(refuse) as url:
        client = ApiClient(ApiOptions(api_base_url=url, api_retries=3))
        with pytest.raises(ApiError, match="failed 4 times"):
            client.ask(REQUEST, threading.Event())
    assert len(seen) == 4
    assert seen[-1] - seen[0] > least - 0.02


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("silent", [False, True])
def test_the_timeout_is_that_of_the_whole_request(status, silent):
    """A server that sends a space now and then is never silent for long."""
    gone = threading.Event()

    def trickle(handler):
        if not silent:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
        try:
            for _ in range(100):
                time.sleep(0.05)
                handler.wfile.write(b"X" if silent else b" ")
        except ConnectionError:
            gone.set()

    with answering(trickle) as url:
        client = ApiClient(ApiOptions(api_base_url=url, api_retries=0, api_timeout=0.4))
        started = time.monotonic()
        with pytest.raises(ApiError, match="no answer within 0.4 seconds"):
            client.ask(REQUEST, threading.Event())
        assert time.monotonic() - started < 2
        assert gone.wait(5), "the connection is closed"
