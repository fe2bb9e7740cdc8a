"""Supervised fine-tuning: a model learns to write the replies of an expert or a person."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.prompts import texts_of
from vlm_agent.core.types import Demonstration
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.recordings import RecordedDemonstrator
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny
from vlm_agent.training.optimizer import OptimizerStep, SavedOptimizer
from vlm_agent.training.reading import ReadingProbe, caption, picture_embeddings, readout, reasoning
from vlm_agent.training.saving.checkpoint_manager import (
    CheckpointManager,
    Saved,
    Stateful,
    read_saved,
)
from vlm_agent.training.saving.run import Run, check_free, peak_memory

_TEXTS = 2048
"""Of how many demonstrations, at most, the tiny model's tokenizer is made."""
_PROBED = 512
"""Of how many demonstrations a probe learns what there is to see."""


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
            history_length=config.history_length,
        )
    return Demonstrator(
        config.env,
        num_envs=config.batch_size,
        random_share=config.random_share,
        cot=config.cot,
        seed=config.seed,
        env_kwargs=config.env_kwargs,
        history_length=config.history_length,
        shown_share=config.shown_share,
    )


def _start(config: SFTConfig, demonstrator: Iterable[list[Demonstration]]) -> VLMPolicy:
    settings = GenerationConfig(
        cot=config.cot,
        temperature=config.temperature,
        max_new_tokens=config.max_new_tokens,
        history_length=config.history_length,
    )
    prompts = {"prompt": config.prompt, "system_prompt": config.system_prompt}
    if config.model != "tiny":
        return VLMPolicy.load(config.model, options=config, **{**vars(settings), **prompts})
    settings = settings.with_changes(**prompts)
    batches = -(-min(_TEXTS, config.samples) // config.batch_size)
    texts = itertools.chain.from_iterable(
        (*texts_of(settings.prompt_builder.messages(item.observation)), item.reply)
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
    stepper = OptimizerStep(clipped, config.max_grad_norm)
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
    saver = CheckpointManager(
        run,
        "sft",
        GatheredPolicy(policy),
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
