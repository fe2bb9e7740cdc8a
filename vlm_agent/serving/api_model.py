"""Models behind an OpenAI-compatible API as policies, with the same prompts as local models."""

from __future__ import annotations

import base64
import hashlib
import io
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.config.api import ApiOptions
from vlm_agent.core.parsing import Parser, read_reply
from vlm_agent.core.prompt_builder import (
    DEFAULT_PROMPT,
    History,
    PromptBuilder,
    PromptSource,
    resolve_prompt,
    resolve_system_prompt,
)
from vlm_agent.core.prompts import plain_text
from vlm_agent.core.types import Observation, Reply, Usage
from vlm_agent.serving.api_client import Answer, ApiClient, Spending
from vlm_agent.serving.reply_cache import ReplyCache, question_key


@dataclass(frozen=True)
class ApiGenerationConfig:
    """Settings for generating replies behind an API.

    Attributes:
        url: Base URL of the API.
        model: Name of the model at the API.
        cot: Ask for the state and reasons before the action.
        temperature: Sampling temperature; `None` leaves it to the API.
        top_p: Sample from the fewest most likely tokens whose probabilities sum up to this; `None`
            leaves it to the API.
        limit: Name of the field that limits the length of a reply.
        max_tokens: Maximum length of a reply.
        extra: Further fields of the request.
        parser: Rule by which replies are parsed; the reply itself does not depend on it.
        prompt: As in `GenerationConfig`.
        system_prompt: As in `GenerationConfig`.
        history: As in `GenerationConfig`.
    """

    url: str
    model: str
    cot: bool
    temperature: float | None
    top_p: float | None
    limit: str
    max_tokens: int
    extra: Mapping[str, Any] = field(default_factory=dict)
    parser: Parser = "json"
    prompt: str = DEFAULT_PROMPT
    system_prompt: str = ""
    history: History = "steps"

    @property
    def prompt_builder(self) -> PromptBuilder:
        """Builds prompts with these settings."""
        return PromptBuilder(self.prompt, self.system_prompt, self.cot, self.history)

    @property
    def is_greedy(self) -> bool:
        """True if equal prompts are assumed to get equal replies."""
        return self.temperature == 0 and "temperature" not in self.extra


class ApiModel:
    """Sends each observation to a model: pictures as data URLs, and the usual prompt.

    Replies are cached under everything that they depend on. At temperature 0 equal prompts share
    one reply; otherwise each step of each episode has its own sample. So a repeated evaluation
    sends nothing, and one with more episodes sends only the new ones.

    Args:
        model: Name of the model at the API.
        options: Address of the API, and how requests are sent.
        temperature: Sampling temperature; by default the API's.
        top_p: As in `ApiGenerationConfig`; by default the API's.
        parser: Rule by which replies are parsed.
        prompt: Template or function in place of the built-in prompt.
        system_prompt: System message, or a file that holds it; empty for none.

    Attributes:
        generation_config: Settings for generating replies.
        history_length: Number of earlier steps that observations should hold.

    Raises:
        ImportError: If `openai` is not installed.
        OSError: If the cache cannot be written.
        ValueError: If there is no key, or the name of the model is empty.
    """

    def __init__(
        self,
        model: str,
        options: ApiOptions | None = None,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        parser: Parser = "json",
        prompt: PromptSource = DEFAULT_PROMPT,
        system_prompt: str = "",
    ) -> None:
        options = options or ApiOptions()
        if not model:
            raise ValueError(
                "no model is named: expected api:MODEL with the model's name at the API"
            )
        self._options = options
        self._client = ApiClient(options)
        self.generation_config = ApiGenerationConfig(
            self._client.url,
            model,
            options.api_cot,
            temperature,
            top_p,
            options.api_limit_field,
            options.api_max_tokens,
            options.api_extra,
            parser,
            resolve_prompt(prompt),
            resolve_system_prompt(system_prompt),
            options.api_history,
        )
        self.history_length = options.api_history_length
        self._cache = None if options.api_cache is None else ReplyCache(options.api_cache)
        self._seed = 0
        self._steps: dict[int, int] = {}

    @property
    def spending(self) -> Spending:
        """Requests and tokens so far."""
        return self._client.spending

    def seed(self, seed: int) -> None:
        """Starts an evaluation, which has its own samples."""
        self._seed = seed
        self._steps = {}

    def price(self, prompt_tokens: int, reply_tokens: int) -> float | None:
        """Returns the cost of tokens in the unit of the prices; `None` without prices."""
        price_in, price_out = self._options.api_price_in, self._options.api_price_out
        if price_in is None or price_out is None:
            return None
        return (prompt_tokens * price_in + reply_tokens * price_out) / 1e6

    def describe_spending(self) -> str:
        """Describes the requests, tokens and cost so far in one line."""
        spent = self.spending
        cost = self.price(spent.prompt_tokens, spent.reply_tokens)
        return (
            f"{spent.requests} requests, {spent.retries} of them after failures, and "
            f"{spent.cached} replies from the cache; {spent.prompt_tokens} tokens of prompts, "
            f"{spent.reply_tokens} of replies{'' if cost is None else f', cost {cost:.4g}'}"
        )

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[Reply]:
        """Returns a reply to each observation; sends several requests concurrently.

        Args:
            observations: One from each of several episodes.
            episodes: Their numbers, which select the samples.

        Raises:
            ApiError: If the API rejects a request, or fails too often. Answers until then are
                cached.
        """
        questions: dict[str, Observation] = {}
        keys = []
        for observation, episode in zip(observations, episodes, strict=True):
            step = self._steps.get(episode, 0)
            self._steps[episode] = step + 1
            keys.append(self._key(observation, [self._seed, episode, step]))
            questions.setdefault(keys[-1], observation)
        answers = self._answers(questions)
        return [
            self._reply(observation, answers[key])
            for observation, key in zip(observations, keys, strict=True)
        ]

    def _key(self, observation: Observation, sample: Sequence[int]) -> str:
        pictures = [
            [list(image.shape), hashlib.blake2b(np.ascontiguousarray(image).tobytes()).hexdigest()]
            for image in self.generation_config.prompt_builder.pictures(observation)
        ]
        messages = self.generation_config.prompt_builder.messages(observation)
        text = plain_text(messages)
        settings = asdict(self.generation_config)
        # Cached replies serve every parser, and every prompt that gives the same text.
        for name in ("parser", "prompt", "system_prompt", "history"):
            del settings[name]
        about = {
            **settings,
            "prompt": messages if text is None else text,
            "pictures": pictures,
            "sample": None if self.generation_config.is_greedy else list(sample),
        }
        return question_key(about)

    def _answers(self, questions: Mapping[str, Observation]) -> dict[str, Answer]:
        """Returns the answers to all questions, from the cache or else from the API."""
        answers: dict[str, Answer] = {}
        waiting: queue.SimpleQueue[tuple[str, Observation]] = queue.SimpleQueue()
        missing = 0
        for key, observation in questions.items():
            known = None if self._cache is None else self._cache.get(key)
            if known is not None:
                answers[key] = Answer(**known)
                self.spending.cached += 1
            else:
                waiting.put((key, observation))
                missing += 1
        stop = threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while not stop.is_set():
                    key, observation = waiting.get_nowait()
                    answers[key] = self._client.ask(self._request(observation), stop)
                    if self._cache is not None:
                        self._cache.put(key, asdict(answers[key]))
            except queue.Empty:
                return
            except BaseException as error:  # raised again in the waiting thread
                errors.append(error)
                stop.set()

        # Daemon threads, so that waiting for an answer does not keep the process from ending.
        count = min(self._options.api_concurrency, missing)
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            # Also after an error: answers on their way are paid for, so they are cached.
            for thread in threads:
                thread.join()
        finally:
            stop.set()
        if errors:
            raise errors[0]
        return answers

    def _request(self, observation: Observation) -> dict[str, Any]:
        settings = self.generation_config
        pictures = iter(settings.prompt_builder.pictures(observation))
        messages = [
            {
                "role": message["role"],
                "content": [
                    part if part["type"] == "text" else _picture_part(next(pictures))
                    for part in message["content"]
                ],
            }
            for message in settings.prompt_builder.messages(observation)
        ]
        request: dict[str, Any] = {
            "model": settings.model,
            "messages": messages,
            settings.limit: settings.max_tokens,
        }
        if settings.temperature is not None:
            request["temperature"] = settings.temperature
        if settings.top_p is not None:
            request["top_p"] = settings.top_p
        if settings.extra:
            request["extra_body"] = dict(settings.extra)
        return request

    def _reply(self, observation: Observation, answer: Answer) -> Reply:
        usage = None
        if answer.prompt_tokens is not None and answer.reply_tokens is not None:
            cost = self.price(answer.prompt_tokens, answer.reply_tokens)
            usage = Usage(answer.prompt_tokens, answer.reply_tokens, cost)
        reply = read_reply(answer.text, observation.actions, self.generation_config.parser)
        return replace(reply, usage=usage)


def _picture_part(image: NDArray[np.uint8]) -> dict[str, Any]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
