"""Models behind an OpenAI-compatible API as policies: prompted, as a local model is."""

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
from vlm_agent.core.prompts import build_messages, build_prompt
from vlm_agent.core.types import Observation, Reply, Usage
from vlm_agent.serving.api_client import Answer, ApiClient, Spending
from vlm_agent.serving.reply_cache import ReplyCache, question_key


@dataclass(frozen=True)
class ApiSettings:
    """What a reply depends on besides what was asked.

    Attributes:
        url: Where the API is.
        model: The model's name there.
        cot: Whether it is asked for the state and reasons before the action.
        temperature: Of sampling; `None` leaves it to the API.
        top_p: Of the likeliest tokens, the fewest that hold this probability may be written;
            `None` leaves it to the API.
        limit: The field that limits a reply's length.
        max_tokens: The longest reply.
        extra: More fields of the request.
        parser: Rule by which replies are parsed, which the reply itself does not depend on.
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

    @property
    def is_greedy(self) -> bool:
        """Whether a question always gets the same reply, as far as anybody can tell."""
        return self.temperature == 0 and "temperature" not in self.extra


class ApiModel:
    """Asks a model for each observation: the picture as a data URL, and the prompt of any model.

    A reply is kept by all that it depends on. At temperature 0 a question gets one reply, wherever
    it comes up; otherwise each step of each episode has a sample of its own. So the same evaluation
    asks for nothing twice, and one of more episodes asks only for those that are new.

    Args:
        model: Its name at the API.
        options: Where the API is, and how it is asked.
        temperature: Of sampling; by default the API's.
        top_p: As in `ApiSettings`; by default the API's.
        parser: Rule by which replies are parsed.

    Attributes:
        settings: What replies depend on.
        history_length: How many steps of the episode observations should remember.

    Raises:
        ImportError: If `openai` is not installed.
        OSError: If the cache cannot be written.
        ValueError: If there is no key, or no model is named.
    """

    def __init__(
        self,
        model: str,
        options: ApiOptions | None = None,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        parser: Parser = "json",
    ) -> None:
        options = options or ApiOptions()
        if not model:
            raise ValueError("no model is named: expected api:MODEL, as the API calls it")
        self._options = options
        self._client = ApiClient(options)
        self.generation_config = ApiSettings(
            self._client.url,
            model,
            options.api_cot,
            temperature,
            top_p,
            options.api_limit_field,
            options.api_max_tokens,
            options.api_extra,
            parser,
        )
        self.history_length = options.api_history_length
        self._cache = None if options.api_cache is None else ReplyCache(options.api_cache)
        self._seed = 0
        self._steps: dict[int, int] = {}

    @property
    def spending(self) -> Spending:
        """What was asked and answered so far."""
        return self._client.spending

    def seed(self, seed: int) -> None:
        """Begins an evaluation, whose samples are its own."""
        self._seed = seed
        self._steps = {}

    def price(self, prompt_tokens: int, reply_tokens: int) -> float | None:
        """What tokens cost, in the unit of the prices; `None` where none were given."""
        price_in, price_out = self._options.api_price_in, self._options.api_price_out
        if price_in is None or price_out is None:
            return None
        return (prompt_tokens * price_in + reply_tokens * price_out) / 1e6

    def describe_spending(self) -> str:
        """Returns a line about what was spent so far."""
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
        """One reply to each observation, several asked for at once.

        Raises:
            ApiError: If the API refuses a request, or has failed too often. What was answered
                until then is kept.
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
            for image in observation.images
        ]
        settings = asdict(self.generation_config)
        del settings["parser"]  # replies that were paid for serve every parser
        about = {
            **settings,
            "prompt": build_prompt(observation, cot=self.generation_config.cot),
            "pictures": pictures,
            "sample": None if self.generation_config.is_greedy else list(sample),
        }
        return question_key(about)

    def _answers(self, questions: Mapping[str, Observation]) -> dict[str, Answer]:
        """The answers to all questions: what the cache has, and the rest from the API."""
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
            except BaseException as error:  # raised again where the answers are waited for
                errors.append(error)
                stop.set()

        # Threads that do not keep the process from ending while an answer is being waited for.
        count = min(self._options.api_concurrency, missing)
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            # Also after an error: what is being answered is paid for, and kept.
            for thread in threads:
                thread.join()
        finally:
            stop.set()
        if errors:
            raise errors[0]
        return answers

    def _request(self, observation: Observation) -> dict[str, Any]:
        settings = self.generation_config
        prompt = build_prompt(observation, cot=settings.cot)
        pictures = iter(observation.images)
        messages = [
            {
                "role": message["role"],
                "content": [
                    part if part["type"] == "text" else _picture_part(next(pictures))
                    for part in message["content"]
                ],
            }
            for message in build_messages(prompt, len(observation.images))
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
