"""Server of the OpenAI chat-completions API for a policy, on this machine only."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np

from vlm_agent.serving.chat_requests import (
    Answer,
    Question,
    RequestError,
    read_question,
    write_answer,
)

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy

HOST = "127.0.0.1"
_MAX_BODY = 64 * 2**20
_TIMEOUT = 60.0  # seconds after which an idle connection is closed
_LONGEST = 2**15  # tokens of a reply, if a model does not say how many it can take
_SHUTTING_DOWN = 503  # HTTP status code
_BATCH_WINDOW = 0.01  # seconds for which the first question of a batch waits for others


class BatchWriter:
    """Replies to waiting questions in batches, in its own thread.

    Args:
        policy: The policy.
        batch_size: Maximum number of questions in a batch.
    """

    def __init__(self, policy: VLMPolicy, batch_size: int) -> None:
        self._policy = policy
        self._batch_size = batch_size
        self._waiting: queue.SimpleQueue[tuple[Question, Future[Answer]] | None]
        self._waiting = queue.SimpleQueue()
        self._pending: list[tuple[Question, Future[Answer]]] = []
        self._lock = threading.Lock()  # nothing waits behind the `None` that stops the thread
        self._stopped = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> Answer:
        """Returns the answer to a question; waits for it.

        Raises:
            RequestError: If the model cannot process the question, or `stop` was called.
        """
        future: Future[Answer] = Future()
        with self._lock:
            self.check_running()
            self._waiting.put((question, future))
        return future.result()

    def check_running(self) -> None:
        """Raises a `RequestError` if questions are no longer answered."""
        if self._stopped:
            raise _shutting_down()

    def stop(self) -> None:
        """Stops the thread after its current batch; questions that still wait are refused."""
        self._stop_asking()
        self._thread.join()

    def _stop_asking(self) -> None:
        with self._lock:
            self._stopped = True
            self._waiting.put(None)

    def _work(self) -> None:
        try:
            with self._policy.writing():
                self._reply_until_stopped()
        finally:
            self._stop_asking()  # also after an error, which nobody would wait for
            self._gather()
            for _, future in self._pending:
                future.set_exception(_shutting_down())

    def _reply_until_stopped(self) -> None:
        while not self._gather():
            first, _ = self._pending[0]
            alike = [item for item in self._pending if _kind(item[0]) == _kind(first)]
            batch = alike[: self._batch_size]
            self._pending = [
                item for item in self._pending if not any(item is each for each in batch)
            ]
            self._reply(batch)

    def _gather(self) -> bool:
        """Collects waiting questions, at least one; returns whether to stop."""
        try:
            item = self._waiting.get(timeout=_BATCH_WINDOW if self._pending else None)
            while item is not None:
                self._pending.append(item)
                item = self._waiting.get(timeout=_BATCH_WINDOW)
        except queue.Empty:
            return False
        return True

    def _reply(self, batch: Sequence[tuple[Question, Future[Answer]]]) -> None:
        try:
            answers = self._write([question for question, _ in batch])
        except Exception as error:  # passed on to the client
            if len(batch) > 1:
                # One question may break its batch, such as text that contains the image token.
                for item in batch:
                    self._reply([item])
                return
            wrong = RequestError(f"the model cannot process this: {error}")
            if not isinstance(error, ValueError):
                wrong = RequestError(f"{type(error).__name__} in the model: {error}", status=500)
            batch[0][1].set_exception(wrong)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _write(self, questions: Sequence[Question]) -> list[Answer]:
        policy = self._policy
        draws = [np.random.default_rng(question.seed) for question in questions]
        with policy.lock:  # other threads must not reply by the settings of these questions
            own = policy.generation_config
            policy.generation_config = questions[0].generation_config
            try:
                replies = policy.act([question.chat for question in questions], draws)
            finally:
                policy.generation_config = own
        encoder = policy.encoder
        return [
            Answer(
                reply,
                int(encoder.encode([question.chat], own.prompt_builder)["attention_mask"].sum()),
                ended=bool(reply.tokens) and reply.tokens[-1] in encoder.end_tokens,
            )
            for question, reply in zip(questions, replies, strict=True)
        ]


def _kind(question: Question) -> Any:
    """Returns what the questions of a batch have in common."""
    return question.generation_config, len(question.chat.images)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections that wait to be accepted: with the usual 5, some of many at once are refused.
    request_queue_size = 128

    def __init__(self, port: int, writer: BatchWriter, policy: VLMPolicy, name: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.writer = writer
        self.generation_config = policy.generation_config
        # Longer replies than the model can continue; what it has been given to write always fits.
        limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
        self.longest = max(policy.generation_config.max_new_tokens, limit or _LONGEST)
        self.name = name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT
    server: _Server

    def do_GET(self) -> None:
        try:
            if self.path != "/v1/models":
                raise _no_such_path(self.path)
            self.server.writer.check_running()
        except RequestError as error:
            return self._refuse(error)
        model = {"id": self.server.name, "object": "model", "created": 0, "owned_by": "vlm-agent"}
        return self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path != "/v1/chat/completions":
                raise _no_such_path(self.path)
            question = read_question(
                body, self.server.name, self.server.generation_config, self.server.longest
            )
            answer = self.server.writer.ask(question)
        except RequestError as error:
            return self._refuse(error)
        return self._send(200, write_answer(self.server.name, answer))

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self.close_connection = True
            raise RequestError("expected a body and its Content-Length", status=411)
        if int(length) > _MAX_BODY:
            self.close_connection = True
            raise RequestError(f"the body is longer than {_MAX_BODY} bytes", status=413)
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise RequestError(f"the body is not JSON: {error}") from error

    def _refuse(self, error: RequestError) -> None:
        if error.status == _SHUTTING_DOWN:
            self.close_connection = True
        self._send(error.status, error.body())

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client has disconnected

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


def _shutting_down() -> RequestError:
    return RequestError("the server is shutting down", status=_SHUTTING_DOWN)


def _no_such_path(path: str) -> RequestError:
    return RequestError(
        f"nothing at {path}: expected POST /v1/chat/completions or GET /v1/models",
        status=404,
        code="unknown_url",
    )


@contextmanager
def serving(policy: VLMPolicy, name: str, *, port: int = 0, batch_size: int = 16) -> Iterator[str]:
    """Serves a policy while the context lasts.

    Args:
        policy: The policy.
        name: The model's name in requests.
        port: Port on 127.0.0.1; 0 takes a free one.
        batch_size: Maximum number of requests in a batch.

    Yields:
        The base URL for clients, ending in `/v1`.

    Raises:
        OSError: If the port is taken.
    """
    writer = BatchWriter(policy, batch_size)
    try:
        with _Server(port, writer, policy, name) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://{HOST}:{server.server_address[1]}/v1"
            finally:
                server.shutdown()
                thread.join()
    finally:
        writer.stop()
