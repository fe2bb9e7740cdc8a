"""A server with the paths of `vllm serve` that the engine uses, in front of a policy's own loop."""

import copy
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from tests.support.web_server import web_server
from vlm_agent.engines.vllm.files import weights_digest
from vlm_agent.engines.vllm.support import WORKER_EXTENSION
from vlm_agent.engines.vllm.weights import engine_weights
from vlm_agent.models.lora import load_adapter
from vlm_agent.serving.chat_requests import read_question

CONFIG = {
    "parallel_config": {"worker_extension_cls": WORKER_EXTENSION},
    "model_config": {
        "logprobs_mode": "processed_logprobs",
        "generation_config": "vllm",
        "dtype": "torch.float32",
    },
    "load_config": {"load_format": "auto"},
}


class Script:
    """What the server does.

    Attributes:
        policy: Writes the replies, with the weights that the server was sent.
        config: What it says of its configuration.
        env: What it says of its environment variables.
        digest: What it says of its weights; `None` if nothing.
        asked: Number of requests for replies.
        calls: The other paths that were asked for, in their order.
        broken: Paths that are answered by status 500.
        adapted: The policy with each adapter that it was given, by name.
    """

    def __init__(self, policy):
        self.policy = policy
        self.config = CONFIG
        self.env = {}
        self.digest = weights_digest(policy)
        self.asked = 0
        self.calls = []
        self.broken = set()
        self.adapted = {}
        self._lock = threading.Lock()

    def respond(self, path, body):
        with self._lock:
            if path == "/v1/chat/completions":
                self.asked += 1
                return self._reply(body)
            self.calls.append(path)
            if path == "/collective_rpc" and body["method"] == "served_digest":
                return {"results": [] if self.digest is None else [self.digest]}
            if path == "/collective_rpc":
                self._receive(Path(*body["args"]))
            if path == "/v1/load_lora_adapter":
                self._add(body["lora_name"], Path(body["lora_path"]))
                return "Success: added."
            if path == "/v1/unload_lora_adapter":
                del self.adapted[body["lora_name"]]
                return "Success: removed."
        return {
            "/v1/models": {"data": [{"id": "served"}]},
            "/server_info": {"vllm_config": self.config, "vllm_env": self.env},
        }.get(path, {})

    def _receive(self, folder):
        (file,) = folder.glob("*.safetensors")
        weights = load_file(file)
        with torch.no_grad():
            for name, own in engine_weights(self.policy, torch.float32):
                own.copy_(weights[name])

    def _add(self, name, folder):
        added = copy.deepcopy(self.policy)
        added.model = load_adapter(added.model, folder, trainable=False)
        self.adapted[name] = added

    def _reply(self, body):
        asked = {name: body[name] for name in ("model", "messages", "seed")}
        question = read_question(asked, body["model"], self.policy.generation_config, 4096)
        policy = self.policy if body["model"] == "served" else self.adapted[body["model"]]
        # One at a time and so in batches of another size than the policy's own.
        (found,) = policy.write([question.chat], [np.random.default_rng(question.seed)])
        prompt = self.policy.encode([question.chat])["input_ids"][0].tolist()
        choice = {
            "token_ids": found.tokens,
            "logprobs": {"content": [{"logprob": each} for each in found.log_probs]},
            "finish_reason": found.finish_reason,
        }
        return {"choices": [choice], "prompt_token_ids": prompt}


@contextmanager
def scripted_vllm(policy):
    """Yields the address of a server and its script."""
    script = Script(policy)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            path = self.path.partition("?")[0]
            status = 500 if path in script.broken else 200
            try:
                found = script.respond(path, json.loads(self.rfile.read(length) or "{}"))
            except KeyError as missing:
                status, found = 404, {"error": f"{missing} cannot be found"}
            is_text = isinstance(found, str)
            data = found if is_text else json.dumps(found)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.encode())

        do_GET = do_POST  # noqa: N815 - the name is that of the base class

        def log_message(self, *args):
            pass

    with web_server(Handler) as address:
        yield address, script
