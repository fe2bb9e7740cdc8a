"""A plan of a run's memory: what updates and rollouts take on each GPU, and what changes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from vlm_agent.models import lora
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.planning import formulas
from vlm_agent.planning.measure import (
    RolloutMemory,
    UpdateMemory,
    measure_rollout,
    measure_update,
)
from vlm_agent.planning.model import WeightlessPolicy, weightless_policy
from vlm_agent.planning.plan_config import PlanConfig

GB = 1e9


class Row(NamedTuple):
    """Bytes on each GPU.

    Attributes:
        name: What takes them.
        update: At the peak of an update.
        rollout: At the peak of a rollout.
    """

    name: str
    update: int
    rollout: int


@dataclass(frozen=True)
class Plan:
    """Memory of a run, in bytes on each GPU.

    Attributes:
        rows: What takes how much.
        weights: Number of weights of each part of the model.
        trained: Number of weights that are trained, with the value head.
        steps: Steps in a micro-batch.
        replies: Replies that are written together.
        prompt_tokens: Tokens of a prompt, including those of pictures.
        reply_tokens: Maximum number of tokens of a reply.
        gpu_memory: Memory of a GPU.
        notes: What the plan leaves out.
    """

    rows: tuple[Row, ...]
    weights: dict[str, int]
    trained: int
    steps: int
    replies: int
    prompt_tokens: int
    reply_tokens: int
    gpu_memory: int
    notes: tuple[str, ...]

    @property
    def update(self) -> int:
        """Peak of an update."""
        return sum(row.update for row in self.rows)

    @property
    def rollout(self) -> int:
        """Peak of a rollout."""
        return sum(row.rollout for row in self.rows)

    @property
    def peak(self) -> int:
        """Larger of the two."""
        return max(self.update, self.rollout)

    @property
    def fits(self) -> bool:
        """True if a GPU has that much memory."""
        return self.peak <= self.gpu_memory


class Suggestion(NamedTuple):
    """Other options, and what they change.

    Attributes:
        options: As on the command line.
        update: Peak of an update with them, in bytes.
        rollout: Peak of a rollout.
    """

    options: str
    update: int
    rollout: int


def make_plan(config: PlanConfig) -> Plan:
    """Plans the memory of a run.

    Raises:
        ImportError, OSError, ValueError: As `weightless_policy`.
    """
    planned = weightless_policy(config)
    sizes = _Sizes.of(planned, config)
    reply_tokens = planned.policy.generation_config.max_new_tokens
    steps = _steps_at_once(config, planned.prompt_tokens + reply_tokens)
    replies = config.num_envs // config.gpus
    again = weightless_policy(config)  # a simulation leaves a policy without its shapes
    try:
        update = measure_update(planned, steps, reply_tokens, entropy=bool(config.entropy_coef))
        rollout = measure_rollout(again, replies)
    except RuntimeError as error:
        raise ValueError(
            f"{type(planned.policy.network).__name__} looks at values in its passes, which a plan "
            f"does not have: {error}"
        ) from error
    cache = formulas.grown_cache(rollout.cache, planned.prompt_tokens, reply_tokens)
    return Plan(
        tuple(_rows(config, sizes, update, rollout, cache)),
        sizes.parts,
        sizes.trained,
        steps,
        replies,
        planned.prompt_tokens,
        reply_tokens,
        round(config.gpu_memory * GB),
        planned.notes,
    )


def suggestions(config: PlanConfig) -> Iterator[Suggestion]:
    """Plans the run with other options, those that change results least first."""
    changes: list[dict[str, Any]] = []
    if config.micro_batch_size > 1:
        changes.append({"micro_batch_size": config.micro_batch_size // 2})
    if config.num_envs > config.gpus and config.num_envs % (2 * config.gpus) == 0:
        changes.append({"num_envs": config.num_envs // 2})
    if not config.gradient_checkpointing:
        changes.append({"gradient_checkpointing": True})
    if config.gpus > 1 and not config.fsdp and not config.load_in_4bit:
        changes.append({"fsdp": True})
    if not config.lora:
        changes.append({"lora": True})
        changes.append({"lora": True, "gradient_checkpointing": True})
    elif config.lora_parts != ("language",):
        changes.append({"lora_parts": ("language",)})
    if not config.load_in_4bit and not config.fsdp:
        changes.append({"lora": True, "load_in_4bit": True, "gradient_checkpointing": True})
    for change in changes:
        changed = {n: v for n, v in change.items() if getattr(config, n) != v}
        try:
            plan = make_plan(dataclasses.replace(config, **changed))
        except ValueError:
            continue  # one that the model or the other options do not allow
        yield Suggestion(_as_words(changed), plan.update, plan.rollout)


def _as_words(options: dict[str, Any]) -> str:
    words = []
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if not isinstance(value, bool):
            words += list(value) if isinstance(value, tuple) else [str(value)]
    return " ".join(words)


def _steps_at_once(config: PlanConfig, tokens: int) -> int:
    """Returns the most steps of the longest kind in a micro-batch."""
    steps = min(config.micro_batch_size, -(-config.minibatch_size // config.gpus))
    if config.micro_batch_tokens is not None:
        steps = min(steps, max(1, config.micro_batch_tokens // tokens))
    return steps


@dataclass(frozen=True)
class _Sizes:
    """Weights of a policy.

    Attributes:
        parts: Number of weights of each part.
        model: Bytes of the model's weights, adapters aside, with its buffers.
        adapters: Bytes of adapters.
        head: Bytes of the value head.
        head_weights: Number of its weights.
        trained: Number of weights that are trained, with the value head.
        gathered: Bytes of all weights as FSDP gathers them, in the format of computations.
        gathered_layer: Those of the layer with the most weights.
        features: Bytes of the image features that an update remembers.
        fresh_adapter: True if the run adds an adapter to a model.
    """

    parts: dict[str, int]
    model: int
    adapters: int
    head: int
    head_weights: int
    trained: int
    gathered: int
    gathered_layer: int
    features: int
    fresh_adapter: bool

    @classmethod
    def of(cls, planned: WeightlessPolicy, config: PlanConfig) -> _Sizes:
        policy = planned.policy
        network, head = policy.network, policy.value_head
        named = dict(network.named_parameters())
        adapters = [value for name, value in named.items() if ".lora_" in name]
        own = [value for name, value in named.items() if ".lora_" not in name]
        size = _bytes([*own, *network.buffers(), policy.banned])
        if config.load_in_4bit:
            quantised = _quantised(network)
            size += formulas.weights_in_4bit(sum(w.numel() for w in quantised)) - _bytes(quantised)
        layers = set(getattr(network, "_no_split_modules", None) or ())
        layer_sizes = [
            _gathered(module.parameters(), policy)
            for module in network.modules()
            if type(module).__name__ in layers
        ]
        features = 0
        if policy.vision._can_remember():
            embeddings = network.get_input_embeddings().weight
            features = formulas.remembered_features(
                config.num_envs * config.rollout_steps // config.gpus,
                planned.picture_tokens,
                embeddings.shape[1],
                embeddings.itemsize,
            )
            features = min(features, round(config.vision_cache_gib * 2**30))
        return cls(
            _parts(network),
            size,
            _bytes(adapters),
            _bytes([*head.parameters(), *head.buffers()]),
            sum(p.numel() for p in head.parameters()),
            sum(p.numel() for p in policy.parameters() if p.requires_grad),
            _gathered(policy.parameters(), policy),
            max(layer_sizes, default=0),
            features,
            config.lora and not lora.is_adapter(planned.directory),
        )


def _rows(
    config: PlanConfig,
    sizes: _Sizes,
    update: UpdateMemory,
    rollout: RolloutMemory,
    cache: int,
) -> Iterator[Row]:
    """Yields the rows of a plan: what stays, then what comes and goes."""
    gpus = config.gpus if config.fsdp else 1

    def kept(name: str, size: int) -> Row:
        return Row(name, formulas.share(size, gpus), formulas.share(size, gpus))

    yield kept("weights of the model", sizes.model)
    if sizes.adapters:
        yield kept("adapters", sizes.adapters)
    yield kept("value head", sizes.head)
    gradients = formulas.share(formulas.gradients(sizes.trained), gpus)
    yield Row("gradients", gradients, gradients if config.gpus > 1 and not config.fsdp else 0)
    eight_bits = config.optimizer == "adamw_8bit"
    yield kept("Adam's moments", formulas.moments(sizes.trained, eight_bits=eight_bits))
    if config.kl_coef:
        yield kept(
            "reference",
            formulas.reference(
                sizes.trained, sizes.head_weights, fresh_adapter=sizes.fresh_adapter
            ),
        )
    if config.fsdp:
        yield Row("gathered weights", sizes.gathered_layer, sizes.gathered)
    if sizes.features:
        yield Row("remembered image features", sizes.features, 0)
    yield Row("pictures", update.pictures, rollout.pictures)
    yield Row("activations", update.activations, rollout.activations)
    yield Row("logits", update.logits, rollout.logits)
    yield Row("key-value cache", 0, cache)
    # Activations are gone by the time of the optimizer's step.
    passing = update.pictures + update.activations + update.logits
    workspace = formulas.step_workspace(sizes.trained, eight_bits=eight_bits)
    workspace = formulas.share(workspace, gpus)
    yield Row("Adam's step, beyond activations", max(0, workspace - passing), 0)


def _gathered(parameters: Iterable[Tensor], policy: VLMPolicy) -> int:
    """Returns the bytes that FSDP gathers; an adapter's weights keep their own format."""
    if policy.has_adapter:
        return _bytes(parameters)
    return sum(each.numel() * policy.compute_dtype.itemsize for each in parameters)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors)


def _quantised(network: Any) -> list[Tensor]:
    """Returns the weights that 4-bit loading quantises: of linear layers, but not of the output."""
    output = network.get_output_embeddings()
    return [
        module.weight
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and module is not output and ".lora_" not in name
    ]


def _parts(network: Any) -> dict[str, int]:
    """Returns the number of weights of each part of a model, adapters aside; tied ones once."""
    output = network.get_output_embeddings()
    inputs = network.get_input_embeddings()
    decoder = network.get_decoder()
    tower = network.get_encoder(modality="image")
    known: set[int] = set()

    def count(module: Any) -> int:
        new = [
            p
            for name, p in module.named_parameters()
            if id(p) not in known and ".lora_" not in name
        ]
        known.update(map(id, new))
        return sum(p.numel() for p in new)

    parts = {"embeddings": count(inputs), "output embeddings": count(output)}
    parts["language"] = count(decoder)
    if tower is not network and tower is not getattr(network, "model", None):
        parts["vision"] = count(tower)
    parts["projector and rest"] = count(network)
    return parts
