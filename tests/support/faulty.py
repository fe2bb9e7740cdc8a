"""Proxy of a chat-completions server that fails in the ways of such servers."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.support.web_server import web_server

SLOW = 1.5  # seconds, longer than the tests wait


class Faults:
    """Faults of requests: names of faults, or `None`.

    Attributes:
        coming: Faults of the next requests.
        always: Fault of all requests after those.
        seen: Bodies of all requests.
        keys: Authorization headers of all requests.
    """

    def __init__(self):
        self.coming = []
        self.always = None
        self.seen = []
        self.keys = set()
        self.lock = threading.Lock()

    def next(self, body, key):
        with self.lock:
            self.seen.append(json.loads(body))
            self.keys.add(key)
            return self.coming.pop(0) if self.coming else self.always


@contextmanager
def faulty(upstream):
    """Yields the proxy's base URL and its faults."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers["Authorization"]
            fault = faults.next(body, key)
            if fault is None:
                return self.forward(body)
            # Some servers repeat the key in their message.
            told = {"error": {"message": f"wrong: {key}", "type": "x", "code": None}}
            if isinstance(fault, tuple):
                status, headers, code = fault
                told["error"]["code"] = code
                return self.answer(status, json.dumps(told).encode(), headers)
            return getattr(self, fault)(body)

        def forward(self, body):
            request = urllib.request.Request(f"{upstream}/chat/completions", body)
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return self.answer(response.status, response.read())
            except urllib.error.HTTPError as error:
                return self.answer(error.code, error.read())

        def slow(self, body):
            time.sleep(SLOW)
            self.close_connection = True

        def cut_off(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": "x", "choi')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def not_json(self, body):
            self.answer(200, b"<html>busy</html>")

        def nonsense(self, body):
            self.answer(200, b'{"choices": [], "hello": [1]}')

        def other_text(self, body):
            self.answer(200, b"busy", {"Content-Type": "text/plain"})

        def numbers(self, body):
            self.answer(200, b'{"choices": [{"message": {"content": 7}}]}')

        def nothing(self, body):
            self.answer(200, b'{"choices": [{"message": {"content": null}}]}')

        def cut_short(self, body):
            choice = b'{"finish_reason": "length", "message": {"content": null}}'
            self.answer(200, b'{"choices": [' + choice + b"]}")

        def error(self, body):
            self.answer(200, b'{"error": {"message": "out of memory", "code": 500}}')

        def plain_error(self, body):
            self.answer(200, b'{"error": "out of memory"}')

        def in_parts(self, body):
            parts = b'[{"type": "text", "text": "{}"}, {"type": "text", "text": "!"}]'
            self.answer(200, b'{"choices": [{"message": {"content": ' + parts + b"}}]}")

        def answer(self, status, data, headers=None):
            self.send_response(status)
            given = {"Content-Type": "application/json", **(headers or {})}
            for name, value in given.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with web_server(Handler) as address:
        yield f"{address}/v1", faults
