"""A run of supervised fine-tuning on the replies of an expert, a person or a data set."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.prompts import texts_of
from vlm_agent.data.conversation_dataset import Sample
from vlm_agent.data.prefetch import Prefetcher, Wanted
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny
from vlm_agent.training.hooks.callback import check_callbacks
from vlm_agent.training.hooks.evaluation import check_eval_env
from vlm_agent.training.hooks.hooks import Hooks, check_given_again
from vlm_agent.training.optimization.optimizer import (
    OptimizerStep,
    SavedOptimizer,
    check_optimizer,
    make_optimizer,
    warmup_steps,
)
from vlm_agent.training.own_objects import OwnEnv, OwnObjects, OwnPrompt, restored_policy
from vlm_agent.training.reporters import Reporter, make_reporters
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
from vlm_agent.training.sft.sources import Source, open_source, places_of
from vlm_agent.training.sft.teaching import as_written, read

# Maximum number of demonstrations that the tiny model's tokenizer is trained on.
_TEXTS = 2048
# Maximum number of demonstrations in which a probe looks for what there is to read.
_PROBED = 512


def train_sft(
    config: SFTConfig,
    *,
    policy: VLMPolicy | None = None,
    env: OwnEnv | None = None,
    prompt: OwnPrompt | None = None,
    callbacks: Sequence[Any] = (),
    reporters: Sequence[Reporter] = (),
) -> VLMPolicy:
    """Trains a model on the replies of an expert, a person or a data set.

    The policy is saved in `config.out`. An interrupt (Ctrl-C) or an error saves what was learned so
    far before it is raised again; `resume_sft` continues from the last checkpoint. In processes
    that `accelerate launch` has started, each learns its share of every batch; where they also
    shard the weights (FSDP), what is returned is a part of the policy: load `config.out` to use it.

    The arguments are those of `train_ppo`.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        FileNotFoundError: If there is no such data set.
        DatasetError: If a row of the data set cannot be learned from.
        RecordingError: If the recorded episodes cannot be played again.
        ValueError: If a batch cannot be divided among the processes, an object does not fit the
            options, or something is given nowhere.
        OSError: If something cannot be written.
    """
    check_callbacks(callbacks)
    own = OwnObjects(policy, env, prompt)
    config = own.named(config, SFTConfig)
    processes = Processes()
    _check_processes(config, processes)
    check_optimizer(config, processes)
    check_eval_env(config)
    tools = make_reporters(config.report_to, reporters)
    check_free(config.out, overwrite=config.overwrite)
    processes.wait()  # before the first of them writes there
    config = replace(config, learning_rate=config.peak_learning_rate)
    specs = own.specs(config)
    source, samples = open_source(config, specs)
    try:
        if config.samples is None:
            config = replace(config, samples=samples, epochs=None)
        steps = Lessons(config).steps
        warmup_steps(config, steps, usual=min(20, steps // 10))
        policy = _start(config, policy, source, processes)
        _run(config, policy, source, specs, callbacks, None, processes, tools)
    finally:
        source.close()
    return policy


def resume_sft(
    place: str | Path,
    *,
    samples: int | None = None,
    policy: VLMPolicy | None = None,
    env: OwnEnv | None = None,
    prompt: OwnPrompt | None = None,
    callbacks: Sequence[Any] = (),
    reporters: Sequence[Reporter] = (),
    trust_remote_code: bool = False,
) -> VLMPolicy:
    """Continues a training that was interrupted, with the options that it began with.

    Guarantees, errors and the other arguments are those of `resume_ppo`.

    Args:
        place: Directory of the run, or the folder of a checkpoint.
        samples: New total of complete demonstrations, to extend the run.
        policy: A policy of the kind that was given to `train_sft`.
        env: The environments that were given to it.
        prompt: The prompt that was given to it.
        callbacks: Callbacks of the classes that were given to it.
        reporters: As in `train_ppo`.
        trust_remote_code: Whether the code that comes with its model may be run.

    Raises:
        DatasetError: If the data set was changed.
        RecordingError: If the file of recorded episodes was changed.
    """
    processes = Processes()
    saved = read_saved(place, "sft", SFTConfig, trust_remote_code=trust_remote_code, length=samples)
    own = OwnObjects(policy, env, prompt)
    own.again(saved.config)
    check_given_again(saved, callbacks)
    _check_processes(saved.config, processes)
    tools = make_reporters(saved.config.report_to, reporters)
    specs = own.specs(saved.config)
    source, _ = open_source(saved.config, specs)
    try:
        policy = restored_policy(saved, policy, _readers(saved.config, processes))
        _run(saved.config, policy, source, specs, callbacks, saved, processes, tools)
    finally:
        source.close()
    return policy


def _check_processes(config: SFTConfig, processes: Processes) -> None:
    processes.check_options(load_in_4bit=config.load_in_4bit)
    processes.share(config.batch_size, "batch_size")
    if config.probe_weight and processes.is_sharded:
        raise ValueError(
            "probe_weight adds a probe to the model, which is not sharded with it: leave it out, "
            "or train with DDP (`accelerate launch --multi_gpu`)"
        )


def _readers(config: SFTConfig, processes: Processes) -> Processes | None:
    """Returns the processes of which one reads the model; `None` if each has to do so.

    A probe looks at the model's picture embeddings before weights reach the other processes.
    """
    return None if config.probe_weight else processes


def _start(
    config: SFTConfig, policy: VLMPolicy | None, source: Source, processes: Processes
) -> VLMPolicy:
    """Returns the policy to train: the one that was given, or a new one."""
    names = ("cot", "temperature", "max_new_tokens", "history", "history_length", "history_tokens")
    settings = GenerationConfig(**{name: getattr(config, name) for name in names})
    prompts = {"prompt": config.prompt, "system_prompt": config.system_prompt}
    changes = {**vars(settings), **prompts}
    if policy is not None:
        policy.generation_config = policy.generation_config.with_changes(**changes)
        policy.encoder.preparer.limit(config.input_cache_gib)
    elif config.model != "tiny":
        readers = _readers(config, processes)
        policy = VLMPolicy.load(config.model, options=config, processes=readers, **changes)
    if policy is not None:
        changed = replace(policy.generation_config, history_tokens=config.history_tokens)
        policy.generation_config = changed
        return policy
    settings = settings.with_changes(**prompts)
    batches = -(-min(_TEXTS, cast(int, config.samples)) // config.batch_size)
    before = source.state_dict() if config.dataset is not None else None
    texts = itertools.chain.from_iterable(
        (*texts_of(settings.prompt_builder.messages(item.observation)), item.reply)
        for batch in tqdm(
            source.batches(itertools.repeat("texts", batches)),
            "tokenizer",
            batches,
            disable=not processes.is_main,
        )
        for item in (each.load() if isinstance(each, Sample) else each for each in batch)
    )
    policy = VLMPolicy(*build_tiny(texts, seed=config.seed), settings)
    policy.encoder.preparer.limit(config.input_cache_gib)
    if before is not None:  # or the first replies of the data set would not be learned
        source.load_state_dict(before)
    return policy


def _run(
    config: SFTConfig,
    policy: VLMPolicy,
    source: Source,
    specs: Sequence[EnvSpec],
    callbacks: Sequence[Any],
    saved: Saved[SFTConfig] | None,
    processes: Processes,
    reporters: Sequence[Reporter],
) -> None:
    """Trains from the start, or from a checkpoint; the main process logs and saves."""
    gathered = GatheredPolicy(policy, processes)
    # It is not trained, and processes would wait for its gradient.
    policy.value_head.requires_grad_(False)
    with ExitStack() as stack:
        run = None
        if processes.is_main:
            run = Run(
                config.out,
                config,
                overwrite=config.overwrite,
                resumed=None if saved is None else saved.position,
                reporters=reporters,
            )
            stack.enter_context(run.saving(gathered))
        hooks = Hooks(
            config,
            gathered,
            specs,
            Lessons(config).steps * config.batch_size,
            processes,
            callbacks=callbacks,
            num_envs=-(-config.batch_size // processes.count),
        )
        places = places_of(config, specs)
        _train(config, gathered, source, places, run, hooks, saved, processes)
    policy.value_head.requires_grad_(True)
    processes.finish()


def _train(
    config: SFTConfig,
    gathered: GatheredPolicy,
    source: Source,
    places: Sequence[str | None],
    run: Run | None,
    hooks: Hooks,
    saved: Saved[SFTConfig] | None,
    processes: Processes,
) -> None:
    policy = gathered.policy
    lessons = Lessons(config)
    probe = _probe(config, policy, source, saved, processes)
    probed = [] if probe is None else list(probe.linear.parameters())
    optimizer = make_optimizer(
        [{"params": [*_trained(policy), *probed]}],
        config,
        cast(float, config.learning_rate),
        network=policy.model,
    )
    steps = lessons.steps
    schedule = get_cosine_with_min_lr_schedule_with_warmup(
        optimizer,
        num_warmup_steps=warmup_steps(config, steps, usual=min(20, steps // 10)),
        num_training_steps=steps,
        min_lr_rate=0.01,
    )
    module, prepared = processes.prepare(
        policy, optimizer, gradient_dtype=getattr(torch, config.gradient_dtype)
    )
    clipped = {"gradient_norm": _trained(policy)}
    if probe is not None:
        clipped["probe_gradient_norm"] = probed
    optimizer_step = OptimizerStep(clipped, config.max_grad_norm, clip=processes.clip)
    prefetcher = Prefetcher(source, config.prefetch_batches)
    parts: dict[str, Stateful] = {
        "demonstrator": prefetcher,
        "optimizer": SavedOptimizer(prepared),
        "optimizer_step": optimizer_step,
        "schedule": schedule,
        **hooks.parts,
    }
    if probe is not None:
        parts["probe"] = probe
    checkpoints = CheckpointManager(
        run,
        "sft",
        gathered,
        parts,
        every=config.checkpoint_every,
        usual=100,
        keep=config.keep_checkpoints,
        processes=processes,
    )
    shows_always = not config.reasoning_samples and config.dataset is None
    policy.train()
    samples = checkpoints.restore(saved) if saved is not None else 0
    done = samples // config.batch_size
    if saved is not None:
        _set_learning_rate(prepared, schedule)
    hooks.started(samples, done, extended=saved is not None and saved.extended)
    if not hooks.goes_on:
        gathered.gather()  # the run was complete, and is saved again
        steps = done
    total = hooks.training.total
    wanted = map(lessons.wanted, range(done + 1, steps + 1))
    with (
        closing(prefetcher.batches(wanted)) as batches,
        tqdm(
            total=total,
            initial=samples,
            desc="sft",
            unit=" demonstrations",
            disable=not processes.is_main,
        ) as progress,
        checkpoints.finishing_updates(),
    ):
        for step, batch in enumerate(batches, start=done + 1):
            # Every process draws the whole batch, which costs little, and learns its share.
            own = read(policy, batch[processes.rank :: processes.count])
            started = time.perf_counter()
            lesson, learned = lessons.of(step, own)
            if shows_always:
                processes.zero_grad(prepared)
            else:
                # Without pictures the vision part has no gradient, and must not go on by momentum.
                prepared.zero_grad()
            losses, tokens = accumulate(
                policy,
                [as_written(policy, item) for item in learned],
                config.micro_batch_size,
                probe,
                config.probe_weight,
                config.micro_batch_tokens,
                module=module,
                processes=processes,
                places=places[processes.rank :: processes.count] if any(places) else (),
            )
            norms = optimizer_step.step(prepared, losses)
            seconds = time.perf_counter() - started
            metrics = {
                **{f"train/{name}": loss if norms else None for name, loss in losses.items()},
                **{f"train/{name}": norms[name] if norms else None for name in clipped},
                "train/skipped_steps": int(norms is None),
                "train/learning_rate": schedule.get_last_lr()[0],
                "time/samples_per_second": len(batch) / seconds,
                "time/tokens_per_second": tokens / seconds,
                "time/data_share": prefetcher.waited / (prefetcher.waited + seconds),
                **checkpoints.metrics(),
                "system/peak_memory_gib": peak_memory(),
            }
            schedule.step()
            metrics = hooks.updated(step * config.batch_size, step, metrics)
            if run is not None:
                run.log(step * config.batch_size, metrics)
            progress.update(len(batch))
            progress.set_postfix({"loss": f"{losses['loss']:.3f}", "of": lesson})
            hooks.checkpointed(
                checkpoints.updated(step * config.batch_size, step, last=not hooks.goes_on)
            )
            if not hooks.goes_on:
                break
        hooks.ended()
    policy.eval()


def _set_learning_rate(optimizer: torch.optim.Optimizer, schedule: LambdaLR) -> None:
    """Sets the learning rates of a restored schedule, whose run may have been extended."""
    for group, peak, share in zip(
        optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
    ):
        group["lr"] = peak * share(schedule.last_epoch)
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]


def _trained(policy: VLMPolicy) -> list[nn.Parameter]:
    return [p for p in policy.model.parameters() if p.requires_grad]


def _probe(
    config: SFTConfig,
    policy: VLMPolicy,
    source: Source,
    saved: Saved[SFTConfig] | None,
    processes: Processes,
) -> ReadingProbe | None:
    """Returns the probe that is trained with the policy, if any: a new one or the saved one."""
    if not config.probe_weight:
        return None
    if saved is not None:
        probe = ReadingProbe.of_state(saved.state["parts"]["probe"])
        probe.linear.to(policy.device)
        return probe
    batches = -(-min(_PROBED, cast(int, config.samples)) // config.batch_size)
    # The probe looks at the first picture, for its size.
    wanted: list[Wanted] = ["pictures"]
    wanted += itertools.repeat("texts", batches - 1)
    shown = itertools.chain.from_iterable(
        tqdm(source.batches(wanted), "probe", batches, disable=not processes.is_main)
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return ReadingProbe.of(policy, read(policy, shown))
