"""A run of supervised fine-tuning on the replies of an expert or a person."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
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
from vlm_agent.training.saving.checkpoint_manager import (
    CheckpointManager,
    Saved,
    Stateful,
    read_saved,
)
from vlm_agent.training.saving.run import Run, check_free, peak_memory
from vlm_agent.training.sft.lessons import Lessons
from vlm_agent.training.sft.loss import accumulate
from vlm_agent.training.sft.reading_probe import ReadingProbe

# Maximum number of demonstrations that the tiny model's tokenizer is trained on.
_TEXTS = 2048
# Maximum number of demonstrations in which a probe looks for what there is to read.
_PROBED = 512


def train_sft(config: SFTConfig) -> VLMPolicy:
    """Trains a model on an expert's or a person's replies, and saves it in `config.out`.

    An interrupt (Ctrl-C) or an error saves what was learned so far before it is raised again;
    `resume_sft` continues from the last checkpoint.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        RecordingError: If the recorded episodes cannot be played again.
        ValueError: If it runs in several processes.
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
    """Continues a training that was interrupted, with the options that it began with.

    Arguments, guarantees and errors are those of `resume_ppo`.

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
    lessons = Lessons(config)
    probe = _probe(config, policy, demonstrator, saved)
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    clipped = {"gradient_norm": parameters}
    if probe is not None:
        clipped["probe_gradient_norm"] = list(probe.linear.parameters())
    optimizer = torch.optim.AdamW(
        itertools.chain(*clipped.values()), lr=cast(float, config.learning_rate), weight_decay=0.0
    )
    optimizer_step = OptimizerStep(clipped, config.max_grad_norm)
    steps = lessons.steps
    schedule = get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, num_warmup_steps=min(20, steps // 10), num_training_steps=steps, min_lr_rate=0.01
    )
    parts: dict[str, Stateful] = {
        "demonstrator": demonstrator,
        "optimizer": SavedOptimizer(optimizer),
        "optimizer_step": optimizer_step,
        "schedule": schedule,
    }
    if probe is not None:
        parts["probe"] = probe
    checkpoints = CheckpointManager(
        run,
        "sft",
        GatheredPolicy(policy),
        parts,
        every=config.checkpoint_every,
        keep=config.keep_checkpoints,
    )
    policy.train()
    samples = checkpoints.restore(saved) if saved is not None else 0
    done = samples // config.batch_size
    total = steps * config.batch_size
    with (
        tqdm(total=total, initial=samples, desc="sft", unit=" demonstrations") as progress,
        checkpoints.finishing_updates(),
    ):
        for step, batch in enumerate(itertools.islice(demonstrator, steps - done), start=done + 1):
            started = time.perf_counter()
            lesson, learned = lessons.of(step, batch)
            optimizer.zero_grad()
            losses, tokens = accumulate(
                policy,
                learned,
                config.micro_batch_size,
                probe,
                config.probe_weight,
                config.micro_batch_tokens,
            )
            norms = optimizer_step.step(optimizer, losses)
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
            checkpoints.updated(step * config.batch_size, step, last=step == steps)
    policy.eval()


def _probe(
    config: SFTConfig,
    policy: VLMPolicy,
    demonstrator: Demonstrator | RecordedDemonstrator,
    saved: Saved[SFTConfig] | None,
) -> ReadingProbe | None:
    """Returns the probe that is trained with the policy, if any: a new one or the saved one."""
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
