"""Any Hugging Face vision-language model as a policy: replies, their log-probabilities, values.

What a reply is sampled from and what it is later scored by is one distribution,
`VLMPolicy.token_log_probs`: the model's logits at the sampling temperature, cut to the likeliest
tokens if so set, without the tokens that a reply must not hold. Sizes, pad ids and special tokens
come from the model's own config, tokenizer and processor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import GenerationConfig as HFGenerationConfig

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import LoadOptions
from vlm_agent.core.parsing import parse
from vlm_agent.core.types import Observation, Reply
from vlm_agent.models import forward as passes
from vlm_agent.models import lora, sampling
from vlm_agent.models.generation import Choose, ReplyWriter
from vlm_agent.models.inputs.encoder import Encoder
from vlm_agent.models.loading import fetch_adapter, load_model
from vlm_agent.models.reference import Reference
from vlm_agent.models.value_head import VALUE_HEAD_FILE, ValueHead
from vlm_agent.models.vision_cache import FrozenVision


class Scores(NamedTuple):
    """Replies scored under the prompts of their own steps; a tuple, in which FSDP finds tensors.

    Attributes:
        log_probs: One a token, shape (batch, longest reply), zero on padding.
        mask: Where a token is, not padding; bool, same shape.
        values: The value head's estimates, shape (batch,).
        entropies: Of the distributions that the tokens were sampled from, in nats, shape (batch,
            longest reply), zero on padding; `None` unless asked for.
    """

    log_probs: Tensor
    mask: Tensor
    values: Tensor
    entropies: Tensor | None = None

    def first(self, count: int) -> Scores:
        """The scores of the first replies alone."""
        return Scores(
            self.log_probs[:count],
            self.mask[:count],
            self.values[:count],
            None if self.entropies is None else self.entropies[:count],
        )


class VLMPolicy(nn.Module):
    """A vision-language model, its processor and a value head.

    Args:
        model: Anything that `AutoModelForImageTextToText` loads, or a `peft.PeftModel` around it.
        processor: Its processor, with a chat template.
        generation_config: How replies are written.
        value_head: From the hidden state that predicts a reply's first token, the last of the
            prompt, to the value; a fresh one where it is not given.
        compute_dtype: What the model computes in, where that is narrower than its weights; by
            default it computes in the format of its weights.

    Attributes:
        generator: What replies are drawn by; on the CPU, wherever the model is.
        vision: Remembers what a frozen vision part makes of pictures, where it is asked to.
    """

    banned: Tensor

    def __init__(
        self,
        model: Any,
        processor: Any,
        generation_config: GenerationConfig | None = None,
        value_head: ValueHead | None = None,
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.processor = processor
        self.generation_config = generation_config or GenerationConfig()
        self.value_head = value_head or ValueHead(model.get_output_embeddings().weight.shape[1])
        self.value_head.to(model.device)
        self.compute_dtype = compute_dtype or self._weights_dtype
        self._reference: Reference | None = None
        self.generator = torch.Generator()
        self.encoder = Encoder(self.network, processor)
        self.vision = FrozenVision(self.network)
        banned = torch.zeros(model.get_output_embeddings().weight.shape[0])
        banned[self.encoder.unwritable_tokens] = -torch.inf
        self.register_buffer("banned", banned.to(model.device), persistent=False)
        self.eval()

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return cast(torch.device, self.model.device)

    @property
    def network(self) -> Any:
        """The Hugging Face model itself, without PEFT's wrapper; its adapter acts all the same."""
        return self.model.get_base_model() if self.has_adapter else self.model

    @property
    def has_adapter(self) -> bool:
        """Whether low-rank adapters are trained instead of all weights."""
        return hasattr(self.model, "get_base_model")

    @property
    def _weights_dtype(self) -> torch.dtype:
        """What the weights that see pictures and tokens first are kept in."""
        return cast(torch.dtype, self.network.get_input_embeddings().weight.dtype)

    @property
    def cot(self) -> bool:
        """Whether the policy reasons before it acts."""
        return self.generation_config.cot

    @property
    def history_length(self) -> int:
        """How many steps of the episode observations should remember."""
        return self.generation_config.history_length

    def seed(self, seed: int) -> None:
        """Seeds the sampling of replies; nothing else in the process is touched."""
        self.generator.manual_seed(seed)

    # ----- acting -----------------------------------------------------------------------------

    @torch.no_grad()
    def act(
        self,
        observations: Sequence[Observation],
        draws: Sequence[np.random.Generator] | None = None,
    ) -> list[Reply]:
        """Writes one reply to each observation, as one batch, with dropout off.

        Args:
            observations: What to reply to.
            draws: What each reply is drawn by. With one generator an observation, a reply does not
                depend on the others of its batch, but for rounding. By default `generator` draws
                them all.

        Returns:
            The replies, each with the log-probabilities that it was sampled with, and the value.
        """
        inputs = self.encode(observations)
        writer = ReplyWriter(self._chooser(len(observations), draws), self.encoder.end_tokens)
        with (
            passes.evaluating(self),
            self._computing(),
            passes.without_own_defaults(self.network),
            passes.hidden_states(self.network) as hidden,
        ):
            self.network.generate(
                **inputs,
                generation_config=HFGenerationConfig(
                    do_sample=False,
                    max_new_tokens=self.generation_config.max_new_tokens,
                    eos_token_id=self.encoder.end_tokens,
                    pad_token_id=self.encoder.pad_token,
                ),
                custom_generate=writer,
            )
        values = self.value_head(hidden[0][:, -1]).tolist()
        return [
            self._reply(observation, self.encoder.until_end(tokens), log_probs, value)
            for observation, tokens, log_probs, value in zip(
                observations, writer.tokens, writer.log_probs, values, strict=True
            )
        ]

    @torch.no_grad()
    def values(self, observations: Sequence[Observation]) -> list[float]:
        """The value of each observation, as `act` gives it with the reply."""
        return cast(list[float], self.value_head(self.states(observations)).tolist())

    @torch.no_grad()
    def states(self, observations: Sequence[Observation]) -> Tensor:
        """The hidden states that values are told from, shape (batch, hidden size)."""
        inputs = self.encode(observations)
        with passes.evaluating(self):
            _, hidden = self._forward(inputs, keep=1)
        return hidden[:, -1]

    # ----- scoring ----------------------------------------------------------------------------

    def score(
        self,
        observations: Sequence[Observation],
        replies: Sequence[Sequence[int]],
        temperature: float | None = None,
        *,
        stop_value_gradient: bool = False,
        entropy: bool = False,
    ) -> Scores:
        """Scores replies under the prompts and pictures of their own steps, with gradients.

        Args:
            observations: What each reply answered.
            replies: Token ids of each reply, as `Reply.tokens` or `encode_reply` gives them.
            temperature: By default the one that replies are sampled at; where one is given, no
                token is cut off by `top_k` or `top_p`.
            stop_value_gradient: Whether values leave the model alone and train only their head.
            entropy: Whether to compute `Scores.entropies`.
        """
        inputs = self.encode(observations)
        longest = max(len(tokens) for tokens in replies)
        rows = [list(t) + [self.encoder.pad_token] * (longest - len(t)) for t in replies]
        reply_ids = torch.tensor(rows, device=self.device)
        lengths = torch.tensor([len(tokens) for tokens in replies], device=self.device)
        mask = torch.arange(longest, device=self.device) < lengths[:, None]
        extended = self.encoder.append(inputs, reply_ids, mask)
        if self.vision.is_remembering:
            with self._computing():
                alone = self.encoder.rows(observations, cot=self.cot)
                extended = self.vision.replace(extended, alone)
        logits, hidden = self._forward(extended, keep=longest + 1)
        state = hidden[:, 0].detach() if stop_value_gradient else hidden[:, 0]
        every = self.token_log_probs(logits[:, :-1], temperature, written=reply_ids)
        log_probs = every.gather(2, reply_ids[..., None])[..., 0]
        return Scores(
            # Masked by `where`, since a pad token may be one that is never written: -inf * 0.
            torch.where(mask, log_probs, 0.0),
            mask,
            self.value_head(state).clone(),  # FSDP's hooks are lost on views
            torch.where(mask, sampling.entropies(every), 0.0) if entropy else None,
        )

    def forward(self, *args: Any, **kwargs: Any) -> Scores:
        """The same as `score`, for wrappers that train a module through its `forward`."""
        return self.score(*args, **kwargs)

    def token_log_probs(
        self, logits: Tensor, temperature: float | None = None, written: Tensor | None = None
    ) -> Tensor:
        """The distribution that tokens are sampled from: logits to log-probabilities.

        Special tokens, and ids that stand for no text, are never written: a sampled image token,
        for one, would break the next forward pass.

        Args:
            logits: Shape (…, vocabulary).
            temperature: By default the one that replies are sampled at; where one is given, no
                token is cut off.
            written: Ids, shape (…), that `top_k` and `top_p` never rule out, as
                `sampling.token_log_probs` explains.

        Raises:
            ValueError: If the temperature is 0, at which nothing has a log-probability.
        """
        generation_config = self.generation_config
        if temperature is not None:
            generation_config = replace(
                generation_config, temperature=temperature, top_k=0, top_p=1.0
            )
        if generation_config.temperature <= 0:
            raise ValueError("a greedy policy, temperature 0, has no log-probabilities to train by")
        return sampling.token_log_probs(
            logits.float() + self.banned,
            temperature=generation_config.temperature,
            top_k=generation_config.top_k,
            top_p=generation_config.top_p,
            written=written,
        )

    # ----- the reference ----------------------------------------------------------------------

    @property
    def has_reference(self) -> bool:
        """Whether there is one to go back to."""
        return self._reference is not None

    def keep_reference(self) -> None:
        """Remembers the weights as they are now, for `reference` to go back to.

        What is trained is copied, so a fully trained model takes its memory once more. Nothing is
        copied of an adapter that changes nothing yet: the reference is the model without it.
        """
        self._reference = Reference.of(self, self.model, self.value_head)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, the policy is the one that `keep_reference` remembered, without gradients.

        Raises:
            ValueError: If none was remembered.
        """
        if self._reference is None:
            raise ValueError("there is no reference to go back to: call keep_reference() first")
        with self._reference.restored(self, self.model):
            yield

    def hidden_state(self) -> dict[str, Any]:
        """What `save` leaves out, and a training goes on from: see `load_hidden_state`."""
        return {
            "generator": self.generator.get_state(),
            "compute_dtype": str(self.compute_dtype).removeprefix("torch."),
            # Some are computed when a model is read, and not alike from weights of another format.
            "buffers": {} if self.has_adapter else dict(self.network.named_buffers()),
            "reference": self._reference and self._reference.state_dict(),
        }

    def load_hidden_state(self, state: Mapping[str, Any]) -> None:
        """Makes a policy that was loaded the one that was saved, to the last bit.

        Args:
            state: What `hidden_state` gave when the policy was saved.
        """
        self.generator.set_state(state["generator"])
        self.compute_dtype = getattr(torch, state["compute_dtype"])
        for name, value in state["buffers"].items():
            owner, _, own_name = name.rpartition(".")
            setattr(self.network.get_submodule(owner), own_name, value.to(self.device))
        if state["reference"] is not None:
            self._reference = Reference.from_state(state["reference"])

    # ----- encoding ---------------------------------------------------------------------------

    def prompt(self, observation: Observation) -> str:
        """The whole text that the model is given, chat template included."""
        return self.encoder.prompt(observation, cot=self.cot)

    def encode(self, observations: Sequence[Observation]) -> dict[str, Tensor]:
        """The model's inputs for a batch of observations, prompts padded on the left."""
        return {
            name: value.to(self.device, self._weights_dtype if value.is_floating_point() else None)
            for name, value in self.encoder.encode(observations, cot=self.cot).items()
        }

    def prompt_lengths(self, observations: Sequence[Observation]) -> list[int]:
        """How many tokens the prompt of each observation has, those of pictures included."""
        rows = self.encoder.rows(observations, cot=self.cot)
        return [row["input_ids"].shape[1] for row in rows]

    def picture(self, observation: Observation) -> NDArray[np.uint8]:
        """The picture as the model gets it, as `Encoder.picture` gives it."""
        return self.encoder.picture(observation, cot=self.cot)

    def encode_reply(self, text: str) -> list[int]:
        """The tokens of a reply as the model would have to write it, the closing one included."""
        return self.encoder.encode_reply(text)

    def action_token(self, tokens: Sequence[int], action_start: int | None) -> int:
        """Index of the first token of a reply's action part, as `Encoder.action_token` gives it."""
        return self.encoder.action_token(tokens, action_start)

    # ----- saving -----------------------------------------------------------------------------

    def save(self, directory: str | Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Writes model, processor, value head and settings; `load` gives the same policy back.

        Args:
            directory: Where to.
            weights: What `weights` gave, whole, where the policy's own are spread over processes.

        Raises:
            NotWholeError: If these are of an adapter alone, whose model is gone by now.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        model, head = (
            None if weights is None else _below(weights, name) for name in ("model", "value_head")
        )
        if self.has_adapter:
            lora.save_adapter(self.model, directory, model)
        else:
            self.model.save_pretrained(directory, state_dict=model)
        self.processor.save_pretrained(directory)
        self.value_head.save(directory, head)
        self.generation_config.save(directory)

    @property
    def is_named(self) -> bool:
        """Whether there is an adapter, and a name leads to the model that it lies on."""
        return self.has_adapter and lora.name_of_base(self.model) is not None

    def weights(self, *, adapter_alone: bool) -> dict[str, Tensor]:
        """What `save` writes of the model and the value head, by the names of `state_dict`.

        Args:
            adapter_alone: Whether to leave out the model that the adapter lies on, as `save` does
                where `is_named` holds.
        """
        every = self.state_dict(keep_vars=True)
        if not adapter_alone:
            return every
        return {
            name: value
            for name, value in every.items()
            if ".lora_" in name or name.startswith("value_head.")
        }

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        options: LoadOptions | None = None,
        cot: bool | None = None,
        temperature: float | None = None,
        max_new_tokens: int | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        history_length: int | None = None,
    ) -> VLMPolicy:
        """Loads a saved policy, or any vision-language model, from a directory or a hub.

        The model goes to a GPU where there is one. Weights are read from safetensors only.

        Args:
            name: A directory or a hub name.
            options: How the model is read; with `ModelOptions` it is made ready for training.
            cot: As in `GenerationConfig`; here and below, by default as saved.
            temperature: As in `GenerationConfig`.
            max_new_tokens: As in `GenerationConfig`.
            top_k: As in `GenerationConfig`.
            top_p: As in `GenerationConfig`.
            history_length: As in `GenerationConfig`.

        Raises:
            FileNotFoundError: If a directory is named that holds no model.
            ImportError: If a package is missing that the model or the options need.
            ValueError: If a file of the directory is damaged.
        """
        if name == "tiny":
            raise ValueError(
                "'tiny' is built by `vlm-agent sft --model tiny`: give the directory that it wrote"
            )
        try:
            wanted = {
                "cot": cot,
                "temperature": temperature,
                "max_new_tokens": max_new_tokens,
                "top_k": top_k,
                "top_p": top_p,
                "history_length": history_length,
            }
            given: dict[str, Any] = {k: value for k, value in wanted.items() if value is not None}
            source = fetch_adapter(str(name))
            directory = Path(source)
            generation_config = replace(GenerationConfig.load(directory), **given)
            loaded = load_model(source, options or LoadOptions())
            policy = cls(
                loaded.model,
                loaded.processor,
                generation_config,
                compute_dtype=loaded.compute_dtype,
            )
            if (directory / VALUE_HEAD_FILE).is_file():
                policy.value_head.load(directory)
        except torch.OutOfMemoryError:
            raise  # a RuntimeError too, but nothing is wrong with the files
        except (SafetensorError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(f"{name} is damaged, or of another version: {error}") from error
        return policy

    def merge_adapter(self, dtype: torch.dtype | None = None) -> None:
        """Adds the adapter to the model's weights, so that `save` writes an ordinary model.

        Args:
            dtype: What the merged weights are kept in, and the model computes in from then on; by
                default as before. In bfloat16 changes below 1/256 of a weight are rounded away.

        Raises:
            ValueError: If there is no adapter, or the weights have 4 bits.
        """
        if not self.has_adapter:
            raise ValueError("there is no adapter to merge: all weights of this policy are trained")
        self.model = lora.merge(self.model, dtype)
        self.compute_dtype = dtype or self.compute_dtype
        self._reference = None

    # ----- inside -----------------------------------------------------------------------------

    def _forward(self, inputs: dict[str, Any], keep: int) -> tuple[Tensor, Tensor]:
        """Logits and the hidden states before them, both of the last `keep` positions."""
        with self._computing():
            return passes.last_positions(self.network, inputs, keep)

    def _computing(self) -> AbstractContextManager[Any]:
        """Computing in `compute_dtype`, whatever the weights are kept in."""
        if self.compute_dtype == self._weights_dtype:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.compute_dtype)

    def _chooser(self, batch: int, draws: Sequence[np.random.Generator] | None) -> Choose:
        """Chooses tokens from the policy's own distribution: what is sampled is what is scored."""
        if self.generation_config.temperature <= 0:

            def choose_greedily(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
                return (logits.float() + self.banned).argmax(-1), logits.new_zeros(len(logits))

            return choose_greedily
        # All numbers of a reply at once: how many are taken must not depend on its length.
        longest = self.generation_config.max_new_tokens
        if draws is None:
            uniform = torch.rand(batch, longest, generator=self.generator, dtype=torch.float64)
        else:
            uniform = torch.tensor(np.stack([each.random(longest) for each in draws]))
        uniform = uniform.to(self.device)

        def choose(logits: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
            log_probs = self.token_log_probs(logits)
            tokens = sampling.draw(log_probs, uniform[rows, count])
            return tokens, log_probs.gather(1, tokens[:, None])[:, 0]

        return choose

    def _reply(
        self,
        observation: Observation,
        tokens: tuple[int, ...],
        log_probs: list[float],
        value: float,
    ) -> Reply:
        text = self.encoder.decode(tokens)
        parsed = parse(text, observation.actions, self.generation_config.parser)
        return Reply(
            text=text,
            action=parsed.action,
            tokens=tokens,
            action_token=self.action_token(tokens, parsed.action_start),
            log_probs=tuple(log_probs[: len(tokens)]),
            value=value,
        )


def _below(weights: Mapping[str, Tensor], module: str) -> dict[str, Tensor]:
    """The weights of a module, by the names that they have in it."""
    start = f"{module}."
    return {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
