"""Any Hugging Face vision-language model as a policy: replies, their log-probabilities, values.

Replies are sampled from and scored by one distribution, `VLMPolicy.token_log_probs`: the model's
logits at the sampling temperature, filtered by top-k and top-p if set, without the tokens that a
reply must not contain. Sizes, pad ids and special tokens come from the model's own config,
tokenizer and processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import LoadOptions
from vlm_agent.core.checks import batch_size, check_integer, check_kind, check_path
from vlm_agent.core.types import Observation, Reply
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import lora, sampling
from vlm_agent.models.adapters.products import compute_in_model_format
from vlm_agent.models.forward import PassLock, computing_in, evaluating, last_positions
from vlm_agent.models.generation import loop
from vlm_agent.models.generation.merging import AdapterMerging
from vlm_agent.models.generation.replies import Engine, Written, read_reply
from vlm_agent.models.inputs.encoder import Encoder
from vlm_agent.models.inputs.processed_model import ProcessedModel
from vlm_agent.models.inputs.vision_cache import VisionCache
from vlm_agent.models.loading import LOADING, load_model, reporting_damage
from vlm_agent.models.places import asking_hub, find_model
from vlm_agent.models.reference import Reference
from vlm_agent.models.scoring import Scores, pad_replies, score_replies
from vlm_agent.models.value_head import ValueHead

PolicyWeights = Mapping[str, Mapping[str, Tensor]]


class VLMPolicy(ProcessedModel):
    """Wraps a vision-language model, its processor and a value head as an RL policy.

    Args:
        model: A model that `AutoModelForImageTextToText` loads, or a `peft.PeftModel` around it.
        processor: Its processor.
        generation_config: Options of sampling and prompts; by default `GenerationConfig()`.
        value_head: Maps the hidden state of a prompt's last token to the value; by default a fresh
            one, which returns 0.
        compute_dtype: Number format of computations if narrower than that of the weights; by
            default that of the weights.

    Attributes:
        engine: Program that writes replies in place of the model, which still scores them; `None`
            for the model itself.
        generator: Random generator that samples replies; always on the CPU.
        kept_reference: What `keep_reference` kept, or `None`.
        lock: Held by each pass of the model, so that threads take turns. A thread that changes
            `generation_config` for its own replies must hold it.
        vision: Cache of image features; see `VisionCache.remembering`.
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
        check_kind("model", model, nn.Module, "a model; VLMPolicy.load(name) loads one by name")
        super().__init__()
        self.model = model
        self.processor = processor
        if self.has_adapter:
            compute_in_model_format(model)
        self.generation_config = generation_config or GenerationConfig()
        self.value_head = value_head or ValueHead(model.get_output_embeddings().weight.shape[1])
        if model.device.type != "meta":  # small, and its own in every process
            self.value_head.to(model.device)
        self.compute_dtype = compute_dtype or self._weights_dtype
        self.kept_reference: Reference | None = None
        self.engine: Engine | None = None
        self.generator = torch.Generator()
        self.encoder = Encoder(self.network, processor)
        self.vision = VisionCache(self.network, self.encoder.pictures)
        self.lock = PassLock()
        self._merging = AdapterMerging(model, self.lock)
        banned = torch.zeros(model.get_output_embeddings().weight.shape[0])
        banned[self.encoder.unwritable_tokens] = -torch.inf
        self.register_buffer("banned", banned.to(model.device), persistent=False)
        self.eval()

    def seed(self, seed: int) -> None:
        """Seeds the sampling of replies; no global random generator is touched."""
        self.generator.manual_seed(check_integer("seed", seed, 0))

    # ----- acting -----------------------------------------------------------------------------

    def act(
        self,
        observations: Sequence[Observation],
        draws: Sequence[np.random.Generator] | None = None,
    ) -> list[Reply]:
        """Replies to a batch of observations; arguments as for `write`.

        Returns:
            The replies, with the log-probabilities they were sampled with, and the values; of an
            engine without values.
        """
        if batch_size(observations) == 0:
            return []
        sampling.check_draws(draws, len(observations))
        parser = self.generation_config.parser
        write = self.write if self.engine is None else self.engine.write
        return [
            read_reply(self.encoder, observation, written, parser)
            for observation, written in zip(observations, write(observations, draws), strict=True)
        ]

    def reply(self, observation: Observation, rng: np.random.Generator) -> Reply:
        """Replies to one observation by the engine, as `act` would.

        Several threads may call it at the same time, also while the policy learns.

        Raises:
            ValueError: If there is no engine.
        """
        if self.engine is None:
            raise ValueError("the model itself replies to batches: call act(), or set an engine")
        written = self.engine.answer(observation, rng)
        return read_reply(self.encoder, observation, written, self.generation_config.parser)

    @torch.no_grad()
    def write(
        self,
        observations: Sequence[Observation],
        draws: Sequence[np.random.Generator] | None = None,
    ) -> list[Written]:
        """Writes one reply to each observation, as one batch, with dropout off.

        Args:
            observations: Observations to reply to.
            draws: One random generator per observation, so that a reply does not depend on the
                rest of its batch, except for rounding. By default `generator` samples all of them.

        Raises:
            ValueError: If `draws` are not as many generators as there are observations.
        """
        if batch_size(observations) == 0:
            return []
        sampling.check_draws(draws, len(observations))
        source = self.generator if draws is None else draws
        with self.lock:
            inputs, places = self.encode_distinct(observations)
            longest = self.generation_config.max_new_tokens
            if self.generation_config.temperature <= 0:
                choose = loop.greedy_chooser(self.banned)
            else:
                uniform = sampling.uniform(len(observations), longest, source)
                choose = loop.sampling_chooser(self.token_log_probs, uniform.to(self.device))
            with evaluating(self), self.merged(), self._autocast(cache=True):
                written = loop.write_replies(
                    self.network,
                    inputs,
                    choose,
                    end_tokens=self.encoder.end_tokens,
                    pad_token=self.encoder.pad_token,
                    max_new_tokens=longest,
                    places=places,
                )
        values = self.value_head(written.prompt_state).tolist()
        found = zip(written.tokens, written.log_probs, values, strict=True)
        return [Written.of(self.encoder, *each) for each in found]

    def writing(self) -> AbstractContextManager[None]:
        """Keeps the policy ready to reply, while its weights stay as they are.

        An engine gets them on entering; without one, adapters stay merged.
        """
        return self.merged() if self.engine is None else self.engine.writing()

    def close(self) -> None:
        """Closes the engine, if there is one; the model itself replies from then on."""
        if self.engine is not None:
            self.engine.close()
        self.engine = None

    def merged(self) -> AbstractContextManager[None]:
        """Keeps adapters merged; see `AdapterMerging.merged`."""
        return self._merging.merged()

    @torch.no_grad()
    def values(self, observations: Sequence[Observation]) -> list[float]:
        """Returns the value of each observation, as `act` reports it with the reply."""
        if batch_size(observations) == 0:
            return []
        return cast(list[float], self.value_head(self.states(observations)).tolist())

    @torch.no_grad()
    def states(self, observations: Sequence[Observation]) -> Tensor:
        """Returns the value head's inputs, hidden states of shape (batch, hidden size)."""
        with self.lock:
            inputs, places = self.encode_distinct(observations)
            with evaluating(self), self._autocast():
                _, hidden = last_positions(self.network, inputs, keep=1)
        return hidden[places, -1]

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
        """Scores replies under the observations that they answered, with gradients.

        Args:
            observations: The observation that each reply answered.
            replies: Token ids of each reply, as in `Reply.tokens` or from `encode_reply`.
            temperature: By default the sampling temperature. If given, top-k and top-p are not
                applied.
            stop_value_gradient: Whether the gradient of values reaches the value head only.
            entropy: Whether to compute `Scores.entropies`.

        Raises:
            ValueError: If there are no observations, or not as many replies.
        """
        if not 0 < batch_size(observations) == len(replies):
            raise ValueError(
                f"{len(observations)} observations and {len(replies)} replies: expected the token "
                "ids of a reply to each, and at least one"
            )
        reply_ids, mask = pad_replies(replies, self.encoder.pad_token, self.device)
        distribution = partial(self.token_log_probs, temperature=temperature)
        with self.lock:
            self._merging.undo()  # scores are those of the adapters, which get gradients
            inputs = self.encoder.append(self._remembered(observations), reply_ids, mask)
            with self._autocast():
                found = score_replies(
                    self.network, inputs, reply_ids, mask, distribution, entropy=entropy
                )
        state = found.prompt_state.detach() if stop_value_gradient else found.prompt_state
        return Scores(
            # Masked by `where`, because a pad token may be a banned one: -inf * 0 is NaN.
            torch.where(mask, found.log_probs, 0.0),
            mask,
            self.value_head(state).clone(),  # FSDP's hooks are lost on views
            None if found.entropies is None else torch.where(mask, found.entropies, 0.0),
        )

    def forward(self, *args: Any, **kwargs: Any) -> Scores:
        """Calls `score`, for wrappers that train a module through its `forward`."""
        return self.score(*args, **kwargs)

    def token_log_probs(
        self, logits: Tensor, temperature: float | None = None, written: Tensor | None = None
    ) -> Tensor:
        """Returns the log-probabilities that tokens are sampled from.

        Special tokens, and ids that stand for no text, have probability 0: a sampled image token,
        for example, would break the next forward pass.

        Args:
            logits: Shape (…, vocabulary).
            temperature: As in `score`.
            written: Ids, shape (…), that top-k and top-p never filter out; see
                `sampling.token_log_probs`.

        Raises:
            ValueError: If the temperature is 0.
        """
        config = self.generation_config
        if temperature is not None:
            config = replace(config, temperature=temperature, top_k=0, top_p=1.0)
        return sampling.token_log_probs(
            logits.float() + self.banned,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            written=written,
        )

    # ----- the reference ----------------------------------------------------------------------

    @property
    def has_reference(self) -> bool:
        """True if `keep_reference` was called."""
        return self.kept_reference is not None

    def keep_reference(self) -> None:
        """Keeps the present weights as the reference policy; see `Reference.of`."""
        self.kept_reference = Reference.of(self, self.model, self.value_head)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Turns this policy into its reference inside the context, without gradients.

        Other threads wait until it is left.

        Raises:
            ValueError: If there is no reference.
        """
        if self.kept_reference is None:
            raise ValueError("there is no reference policy: call keep_reference() first")
        with self.lock, self.kept_reference.restored(self, self.model):
            yield

    # ----- saving and loading -----------------------------------------------------------------

    def save(self, directory: str | Path, weights: PolicyWeights | None = None) -> None:
        """Writes model, processor, value head and generation config; `load` restores the policy.

        Args:
            directory: Directory to write to.
            weights: State dicts of "model" and "value_head", if the policy's own weights are
                sharded over processes; of an adapter alone if a name leads to its base model.

        Raises:
            NotWholeError: If `weights` has an adapter alone, and its base model is gone.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        given = weights or {}
        if self.has_adapter:
            lora.save_adapter(self.model, directory, given.get("model"))
        else:
            self.model.save_pretrained(directory, state_dict=given.get("model"))
        self.processor.save_pretrained(directory)
        self.value_head.save(directory, given.get("value_head"))
        self.generation_config.save(directory)

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        options: LoadOptions | None = None,
        processes: Processes | None = None,
        **overrides: Any,
    ) -> VLMPolicy:
        """Loads a saved policy, or any vision-language model, from a directory or the hub.

        The model goes to a GPU if there is one. Weights are read from safetensors only.

        Args:
            name: Directory or hub name.
            options: Options; with `ModelOptions` the model is prepared for training.
            processes: Those that will train it, so that only one reads it; see `load_model`.
            **overrides: Fields of `GenerationConfig` in place of the saved ones, such as
                `temperature=0.2`; `None` leaves a field as saved. A `prompt` may be a function or
                a template file; see `vlm_agent.core.prompt_builder`.

        Raises:
            FileNotFoundError: If the directory holds no model.
            ImportError: If a package is missing that the model or the options need.
            ValueError: If a file of the directory is damaged, or an argument is not of its kind.
        """
        check_path("name", name, "the directory of a policy or model, or its name on the hub")
        options = options or LoadOptions()
        check_kind("options", options, LoadOptions, "LoadOptions(...), or a config of a training")
        with LOADING, reporting_damage(name), asking_hub(str(name)):
            source = find_model(str(name))
            config = GenerationConfig.load(Path(source)).with_changes(**overrides)
            loaded = load_model(source, options, processes)
            policy = cls(loaded.model, loaded.processor, config, compute_dtype=loaded.compute_dtype)
            policy.encoder.preparer.limit(options.input_cache_gib)
            policy.value_head.load(Path(source))
        return policy

    def merge_adapter(self, dtype: torch.dtype | None = None) -> None:
        """Adds the adapter to the model's weights, so that `save` writes an ordinary model.

        Args:
            dtype: Number format of the merged weights, and of computations from then on; by default
                unchanged. In bfloat16, changes below 1/256 of a weight are rounded away.

        Raises:
            ValueError: If there is no adapter, or the weights have 4 bits.
        """
        if not self.has_adapter:
            raise ValueError(
                "there is no adapter to merge: expected a policy that was trained with --lora"
            )
        self.model = lora.merge_adapter(self.model, dtype)
        self.compute_dtype = dtype or self.compute_dtype
        self.kept_reference = None

    # ----- private ----------------------------------------------------------------------------

    def _autocast(self, *, cache: bool = False) -> AbstractContextManager[Any]:
        return computing_in(self.compute_dtype, self.network, cache=cache)

    def _remembered(self, observations: Sequence[Observation]) -> dict[str, Any]:
        """Returns what `encode` does, with image features for pixels where these are remembered."""
        if not self.vision.is_remembering:
            return self.encode(observations)
        prompts = self.encoder.prompts(observations, self.prompt_builder)
        inputs = {n: self._placed(value) for n, value in self.encoder.join(prompts).items()}
        with self._autocast():
            return {**inputs, **self.vision.features(prompts, self._placed)}
