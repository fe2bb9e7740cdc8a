"""Supervised fine-tuning: a model learns to write the replies of an expert or a person."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from vlm_agent.demonstrations import Demonstration, Demonstrator
from vlm_agent.model_options import ModelOptions
from vlm_agent.options import (
    JsonObject,
    check_least,
    check_not_negative,
    check_positive,
    check_share,
)
from vlm_agent.policy import VLMPolicy
from vlm_agent.processes import Processes, WholePolicy
from vlm_agent.prompts import build_prompt
from vlm_agent.reading import ReadingProbe, caption, picture_embeddings, readout, reasoning
from vlm_agent.recordings import RecordedDemonstrator
from vlm_agent.resume import Saved, Saver, Stateful, read_saved
from vlm_agent.runs import Run, check_free, peak_memory
from vlm_agent.settings import Settings
from vlm_agent.steps import SavedOptimizer, Stepper
from vlm_agent.tiny import build_tiny

_TEXTS = 2048
"""Of how many demonstrations, at most, the tiny model's tokenizer is made."""
_PROBED = 512
"""Of how many demonstrations a probe learns what there is to see."""


@dataclass
class SFTConfig(ModelOptions):
    """Fine-tunes a model on the replies of an expert or a person, and saves it as a policy.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        out: Directory of the run.
        model: Tiny, a directory or a hub name of a model.
        env_kwargs: Keyword arguments of the environment, as JSON.
        overwrite: Replace a run that --out holds.
        seed: Of weights, episodes and random moves.
        cot: Read out the state and reason before the action.
        memory: Steps of the episode, pictures and actions, that the prompt recalls.
        random_share: Share of the demonstrator's moves that are random, 0 to 1.
        shown_share: Share of the demonstrator's moves that are learned from, 0 to 1; fewer of each
            episode make demonstrations less alike, where many moves share a picture.
        demonstrations: File of episodes that a person played, instead of the expert's.
        successes_only: Leave out episodes of that file that were lost or broken off.
        caption_samples: Pictures to read out before anything else, the first half without a prompt,
            the second behind it.
        reasoning_samples: Demonstrations without picture and prompt, dealt out between the others,
            of which only thoughts and action are learned, from what was read.
        samples: Demonstrations to learn from, whole.
        probe_weight: Weight of the loss of a linear probe that reads pictures off their embeddings,
            wherever there are pictures; 0 for none.
        batch_size: Demonstrations an optimiser step.
        micro_batch_size: Demonstrations a forward pass; lower it to save memory.
        learning_rate: Peak of a cosine; by default 2e-3 for tiny and 2e-5 for others.
        max_grad_norm: Gradient norm to clip to.
        temperature: At which the trained policy will act.
        max_new_tokens: Longest reply of the trained policy, in tokens.
        checkpoint_every: Optimiser steps between checkpoints, from which --resume goes on; 0 for
            none.
        keep_checkpoints: How many of the newest checkpoints to keep.
    """

    env: str
    out: str
    model: str = "tiny"
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    memory: int = 0
    random_share: float = 0.0
    shown_share: float = 1.0
    demonstrations: str | None = None
    successes_only: bool = False
    caption_samples: int = 0
    reasoning_samples: int = 0
    samples: int = 4096
    probe_weight: float = 0.0
    batch_size: int = 16
    micro_batch_size: int = 16
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    temperature: float = 0.2
    max_new_tokens: int = 256
    checkpoint_every: int = 100
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
        check_least(self, 1, "samples", "batch_size", "micro_batch_size")
        check_positive(self, "max_grad_norm", "learning_rate")
        check_not_negative(
            self,
            "memory",
            "checkpoint_every",
            "caption_samples",
            "reasoning_samples",
            "probe_weight",
        )
        if (self.caption_samples or self.reasoning_samples) and not self.cot:
            raise ValueError(
                "caption_samples and reasoning_samples are of replies that read out the state and "
                "have thoughts: leave them out, or cot=False"
            )
        check_least(self, 1, "keep_checkpoints")
        if self.demonstrations is None and self.successes_only:
            raise ValueError(
                "successes_only chooses among the episodes of --demonstrations: name it"
            )
        check_share(self, "shown_share")
        check_positive(self, "shown_share")
        own = self.random_share or self.env_kwargs or self.shown_share < 1
        if self.demonstrations is not None and own:
            raise ValueError(
                "recorded episodes hold their own moves and variants: leave out random_share, "
                "shown_share and env_kwargs, or demonstrations"
            )
        changed = self.lora or self.load_in_4bit or self.gradient_checkpointing
        if self.model == "tiny" and (changed or self.dtype != "auto"):
            raise ValueError(
                "model='tiny' is built from nothing, in float32, with all weights trained: leave "
                "out lora, load_in_4bit, dtype and gradient_checkpointing, or name another model"
            )


def train_sft(config: SFTConfig) -> VLMPolicy:
    """Trains a model on an expert's or a person's replies, and saves it in `config.out`.

    An interrupt (Ctrl-C) or an error saves what was learned so far before it is raised again;
    `resume_sft` goes on from the last checkpoint.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        RecordingError: If the recorded episodes cannot be played again.
        OSError: If something cannot be written.
    """
    if Processes().count > 1:
        raise ValueError("fine-tuning runs in one process: start it without `accelerate launch`")
    check_free(config.out, overwrite=config.overwrite)
    if config.learning_rate is None:
        config = replace(config, learning_rate=2e-3 if config.model == "tiny" else 2e-5)
    demonstrator = _demonstrator(config)
    try:
        policy = _start(config, demonstrator)
        run = Run(config.out, config, overwrite=config.overwrite)
        with run.saving(policy):
            _train(config, policy, demonstrator, run, None)
    finally:
        demonstrator.close()
    return policy


def resume_sft(place: str | Path, *, trust_remote_code: bool = False) -> VLMPolicy:
    """Goes on with a training that was interrupted, with the options that it began with.

    Arguments, errors and what is promised are those of `resume_ppo`.

    Raises:
        RecordingError: If the file of recorded episodes was changed.
    """
    saved = read_saved(place, "sft", SFTConfig, trust_remote_code=trust_remote_code)
    config = saved.config
    demonstrator = _demonstrator(config)
    try:
        policy = saved.policy()
        run = Run(config.out, config, resumed=saved.position)
        with run.saving(policy):
            _train(config, policy, demonstrator, run, saved)
    finally:
        demonstrator.close()
    return policy


def _demonstrator(config: SFTConfig) -> Demonstrator | RecordedDemonstrator:
    if config.demonstrations is not None:
        return RecordedDemonstrator(
            config.demonstrations,
            config.env,
            batch_size=config.batch_size,
            successes_only=config.successes_only,
            cot=config.cot,
            seed=config.seed,
            memory=config.memory,
        )
    return Demonstrator(
        config.env,
        num_envs=config.batch_size,
        random_share=config.random_share,
        cot=config.cot,
        seed=config.seed,
        env_kwargs=config.env_kwargs,
        memory=config.memory,
        shown_share=config.shown_share,
    )


def _start(config: SFTConfig, demonstrator: Iterable[list[Demonstration]]) -> VLMPolicy:
    settings = Settings(
        cot=config.cot,
        temperature=config.temperature,
        max_new_tokens=config.max_new_tokens,
        memory=config.memory,
    )
    if config.model != "tiny":
        return VLMPolicy.load(config.model, options=config, **vars(settings))
    batches = -(-min(_TEXTS, config.samples) // config.batch_size)
    texts = itertools.chain.from_iterable(
        (build_prompt(item.observation, cot=config.cot), item.reply)
        for batch in tqdm(itertools.islice(demonstrator, batches), "tokenizer", batches)
        for item in batch
    )
    return VLMPolicy(*build_tiny(texts, seed=config.seed), settings)


def _train(
    config: SFTConfig,
    policy: VLMPolicy,
    demonstrator: Demonstrator | RecordedDemonstrator,
    run: Run,
    saved: Saved[SFTConfig] | None,
) -> None:
    lessons = _Lessons(config)
    probe = _probe(config, policy, demonstrator, saved)
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    clipped = {"gradient_norm": parameters}
    if probe is not None:
        clipped["probe_gradient_norm"] = list(probe.linear.parameters())
    optimizer = torch.optim.AdamW(
        itertools.chain(*clipped.values()), lr=cast(float, config.learning_rate), weight_decay=0.0
    )
    stepper = Stepper(clipped, config.max_grad_norm)
    steps = lessons.steps
    schedule = get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, num_warmup_steps=min(20, steps // 10), num_training_steps=steps, min_lr_rate=0.01
    )
    parts: dict[str, Stateful] = {
        "demonstrator": demonstrator,
        "optimizer": SavedOptimizer(optimizer),
        "stepper": stepper,
        "schedule": schedule,
    }
    if probe is not None:
        parts["probe"] = probe
    saver = Saver(
        run,
        "sft",
        WholePolicy(policy),
        parts,
        every=config.checkpoint_every,
        keep=config.keep_checkpoints,
    )
    policy.train()
    samples = saver.restore(saved) if saved is not None else 0
    done = samples // config.batch_size
    total = steps * config.batch_size
    with (
        tqdm(total=total, initial=samples, desc="sft", unit=" demonstrations") as progress,
        saver.finishing_updates(),
    ):
        for step, batch in enumerate(itertools.islice(demonstrator, steps - done), start=done + 1):
            started = time.perf_counter()
            lesson, learned = lessons.of(step, batch)
            optimizer.zero_grad()
            losses, tokens = accumulate(
                policy, learned, config.micro_batch_size, probe, config.probe_weight
            )
            norms = stepper.step(optimizer, losses)
            seconds = time.perf_counter() - started
            metrics = {
                **{f"train/{name}": loss if norms else None for name, loss in losses.items()},
                **{f"train/{name}": norms[name] if norms else None for name in clipped},
                "train/skipped_steps": int(norms is None),
                "train/learning_rate": schedule.get_last_lr()[0],
                "time/samples_per_second": len(batch) / seconds,
                "time/tokens_per_second": tokens / seconds,
                "system/peak_memory_gib": peak_memory(),
            }
            schedule.step()
            run.log(step * config.batch_size, metrics)
            progress.update(len(batch))
            progress.set_postfix({"loss": f"{losses['loss']:.3f}", "of": lesson})
            saver.updated(step * config.batch_size, step, last=step == steps)
    policy.eval()


class _Lessons:
    """What is learned of the demonstrator's batches, step by step.

    First pictures are read out, without a prompt and then behind one. Whole demonstrations and
    reasoning alternate, evenly, for what is not done for long is forgotten.

    Attributes:
        steps: Optimiser steps of all together.
    """

    def __init__(self, config: SFTConfig) -> None:
        asked = (config.caption_samples, config.samples, config.reasoning_samples)
        self._reading, self._whole, reasoning = (-(-each // config.batch_size) for each in asked)
        self._mixed = self._whole + reasoning
        self.steps = self._reading + self._mixed

    def of(self, step: int, batch: list[Demonstration]) -> tuple[str, list[Demonstration]]:
        """The name of the lesson of a step, counted from 1, and what its batch becomes."""
        place = step - self._reading
        if 2 * step <= self._reading:
            return "captions", [caption(item) for item in batch]
        if place <= 0:
            return "readouts", [readout(item) for item in batch]
        if place * self._whole // self._mixed == (place - 1) * self._whole // self._mixed:
            return "reasoning", [reasoning(item) for item in batch]
        return "demonstrations", batch


def _probe(
    config: SFTConfig,
    policy: VLMPolicy,
    demonstrator: Demonstrator | RecordedDemonstrator,
    saved: Saved[SFTConfig] | None,
) -> ReadingProbe | None:
    """The probe that is trained along: a fresh one for what pictures show, or the one saved."""
    if not config.probe_weight:
        return None
    if saved is not None:
        probe = ReadingProbe.of_state(saved.state["parts"]["probe"])
        probe.linear.to(policy.device)
        return probe
    batches = -(-min(_PROBED, config.samples) // config.batch_size)
    shown = itertools.chain.from_iterable(
        tqdm(itertools.islice(demonstrator, batches), "probe", batches)
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return ReadingProbe.of(policy, list(shown))


def accumulate(
    policy: VLMPolicy,
    batch: Sequence[Demonstration],
    micro_batch_size: int,
    probe: ReadingProbe | None = None,
    probe_weight: float = 0.0,
) -> tuple[dict[str, float], int]:
    """Adds the gradient of a batch's losses.

    The loss is the mean negative log-probability of the tokens of the demonstrated replies, at
    temperature 1, whatever the size of the micro-batches that it is computed in.

    Args:
        policy: What learns.
        batch: What from.
        micro_batch_size: Demonstrations a forward pass.
        probe: Reads the pictures, where there are any.
        probe_weight: What its loss counts beside the other.

    Returns:
        The losses by name, without their weights, and the number of tokens that were learned.
    """
    replies = [LearnedReply.of(policy, item) for item in batch]
    tokens = sum(len(reply.tokens) - reply.given for reply in replies)
    probed = probe if batch[0].observation.images else None
    losses = {"loss": 0.0} if probed is None else {"loss": 0.0, "probe_loss": 0.0}
    for start in range(0, len(batch), micro_batch_size):
        part = slice(start, start + micro_batch_size)
        collecting: AbstractContextManager[list[list[Tensor]]] = (
            nullcontext([]) if probed is None else picture_embeddings(policy)
        )
        with collecting as seen:
            loss = reply_loss(policy, batch[part], replies[part]) / tokens
        losses["loss"] += loss.item()
        if probed is not None:
            observations = [item.observation for item in batch[part]]
            read = probed.loss(policy, seen[0], observations) * len(observations) / len(batch)
            losses["probe_loss"] += read.item()
            loss = loss + probe_weight * read
        loss.backward()
    return losses, tokens


class LearnedReply(NamedTuple):
    """The tokens of a demonstrated reply.

    Attributes:
        tokens: Up to the one that ends what is to be learned.
        given: How many of them come before what is to be learned.
    """

    tokens: list[int]
    given: int

    @classmethod
    def of(cls, policy: VLMPolicy, item: Demonstration) -> LearnedReply:
        """The reply of a demonstration, as the policy would have to write it."""
        tokens = policy.encode_reply(item.reply)
        if item.learned is None:
            return cls(tokens, given=0)
        start, end = item.learned
        if end < len(item.reply):
            tokens = tokens[: policy.action_token(tokens, end - 1) + 1]
        return cls(tokens, policy.action_token(tokens, start))


def reply_loss(
    policy: VLMPolicy, batch: Sequence[Demonstration], replies: Sequence[LearnedReply]
) -> Tensor:
    """Summed negative log-probability of the tokens of the demonstrated replies to be learned."""
    scores = policy.score(
        [item.observation for item in batch], [reply.tokens for reply in replies], temperature=1.0
    )
    given = torch.tensor([reply.given for reply in replies])
    places = torch.arange(scores.log_probs.shape[1])
    learned = (places >= given[:, None]).to(scores.log_probs.device)
    return -(scores.log_probs * learned).sum()
