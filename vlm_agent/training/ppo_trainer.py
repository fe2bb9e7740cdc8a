"""A run of reinforcement learning: rollouts and updates in turn, logged, recorded and saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.data.rollout_recorder import RolloutRecorder, record_rollouts
from vlm_agent.distributed.processes import Processes
from vlm_agent.engines.make import make_engine
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.async_collector import AsyncCollector
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector
from vlm_agent.rollout.metrics import merged_metrics
from vlm_agent.training.algorithms import find_algorithm
from vlm_agent.training.hooks.callback import check_callbacks
from vlm_agent.training.hooks.evaluation import check_eval_env
from vlm_agent.training.hooks.hooks import Hooks, check_given_again
from vlm_agent.training.importance import importance_cap
from vlm_agent.training.optimization.optimizer import check_optimizer, value_learning_rate
from vlm_agent.training.own_objects import OwnEnv, OwnObjects, OwnPrompt, restored_policy
from vlm_agent.training.ppo import PPO, warmup_share
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.reporters import Reporter, make_reporters
from vlm_agent.training.rollouts import Rollouts
from vlm_agent.training.saving.checkpoint_manager import (
    CheckpointManager,
    Saved,
    Stateful,
    read_saved,
)
from vlm_agent.training.saving.run import Run, check_free, peak_memory


def train_ppo(
    config: PPOConfig,
    *,
    policy: VLMPolicy | None = None,
    env: OwnEnv | None = None,
    prompt: OwnPrompt | None = None,
    callbacks: Sequence[Any] = (),
    reporters: Sequence[Reporter] = (),
) -> VLMPolicy:
    """Trains a policy by its environment's reward and saves it in `config.out`.

    The configuration that is saved with it has numbers in place of all defaults that depend on the
    model or the environment. An interrupt (Ctrl-C) or an error saves what was learned so far before
    it is raised again; `resume_ppo` continues from the last checkpoint. In processes that
    `accelerate launch` has started, each plays its share of the environments; where they also
    shard the weights (FSDP), what is returned is a part of the policy: load `config.out` to use
    it.

    Args:
        config: The options; `env` and `model` may be left out where these are given:
        policy: The policy to train, in place of the one that `config.model` names.
        env: An id or a function that makes the environment, in place of `config.env`; or several.
            A function is called with `config.env_kwargs`.
        prompt: A prompt, as `config.prompt`, but also any function, or a `PromptBuilder`.
        callbacks: Objects that see the training, may stop it and change its environments; see
            `vlm_agent.training.hooks.callback.Callback`.
        reporters: Tools of your own that follow the training, next to those of `report_to`.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        NotEnoughMemoryError: If memory runs out, naming what to lower.
        ValueError: If an object does not fit the options, or something is given nowhere.
        OSError: If something cannot be written.
    """
    check_callbacks(callbacks)
    own = OwnObjects(policy, env, prompt)
    config = own.named(config, PPOConfig)
    processes = Processes()
    processes.check_options(load_in_4bit=config.load_in_4bit)
    check_optimizer(config, processes)
    check_eval_env(config)
    warmup_share(config, config.total_steps)  # or an old run would be gone before it is refused
    tools = make_reporters(config.report_to, reporters)
    check_free(config.out, overwrite=config.overwrite)
    processes.wait()  # before the first of them writes there
    specs = own.specs(config)
    for spec in specs:
        spec.make().close()
    settings = {
        "temperature": config.temperature,
        "max_new_tokens": config.max_new_tokens,
        "top_k": config.top_k,
        "top_p": config.top_p,
        "parser": config.parser,
        "history": config.history,
        "history_length": config.history_length,
        "history_tokens": config.history_tokens,
        "prompt": config.prompt,
        "system_prompt": config.system_prompt,
    }
    if policy is None:
        policy = VLMPolicy.load(config.model, options=config, processes=processes, **settings)
    else:
        policy.generation_config = policy.generation_config.with_changes(**settings)
        policy.encoder.preparer.limit(config.input_cache_gib)
    if config.cot and not policy.cot:
        raise ValueError(f"{config.model} was fine-tuned without reasoning: pass --no-cot")
    if policy.generation_config.temperature <= 0:
        raise ValueError(f"{config.model} was saved as greedy: pass a --temperature above 0")
    policy.generation_config = replace(policy.generation_config, cot=config.cot)
    policy.seed(config.seed)
    return _run(config, policy, specs, callbacks, None, processes, tools)


def resume_ppo(
    place: str | Path,
    *,
    total_steps: int | None = None,
    policy: VLMPolicy | None = None,
    env: OwnEnv | None = None,
    prompt: OwnPrompt | None = None,
    callbacks: Sequence[Any] = (),
    reporters: Sequence[Reporter] = (),
    trust_remote_code: bool = False,
) -> VLMPolicy:
    """Continues a training that was interrupted, with the options that it began with.

    On the CPU the result is bit-identical to that of a run without an interruption, unless it has
    an engine. A warning names environments that do not come back to where they were.

    Args:
        place: Directory of the run, for its newest checkpoint, or the folder of a checkpoint; those
            after it are then removed.
        total_steps: New total of environment steps, to extend the run. From there on the learning
            rate is that of a run with the new total.
        policy: A policy of the kind that was given to `train_ppo`; it gets the saved weights. Only
            needed if its class or its choice of trained weights is your own.
        env: The environments that were given to `train_ppo`, if they were.
        prompt: The prompt that was given to `train_ppo`, if it cannot be imported by its name.
        callbacks: Callbacks of the classes that were given to `train_ppo`; they get their states.
        trust_remote_code: Whether the code that comes with its model may be run.
        reporters: As in `train_ppo`.

    Raises:
        FileNotFoundError: If there is no such directory.
        CheckpointError: If there is no checkpoint, or the newest is damaged.
        FileExistsError: If another process is training the run.
        ValueError: If the run's options were changed, it had another number of processes, or
            something that was given to it in Python is not given again.
        OSError: If something cannot be written.
    """
    processes = Processes()
    saved = read_saved(
        place, "ppo", PPOConfig, trust_remote_code=trust_remote_code, length=total_steps
    )
    own = OwnObjects(policy, env, prompt)
    own.again(saved.config)
    check_given_again(saved, callbacks)
    processes.check_options(load_in_4bit=saved.config.load_in_4bit)
    tools = make_reporters(saved.config.report_to, reporters)
    policy = restored_policy(saved, policy, processes)
    specs = own.specs(saved.config)
    return _run(saved.config, policy, specs, callbacks, saved, processes, tools)


def make_collector(
    config: PPOConfig, policy: VLMPolicy, specs: Sequence[EnvSpec], processes: Processes
) -> Collector | GroupCollector:
    """Returns the collector that the algorithm needs, with this process's environments."""
    options: dict[str, Any] = {
        "seed": config.seed,
        "illegal_penalty": config.illegal_penalty,
        "history_length": policy.history_length,
        "fit_history": policy.fit_history,
        "correct": bool(config.imitation_coef),
        "rank": processes.rank,
        "processes": processes.count,
    }
    num_envs = processes.share(config.num_envs, "num_envs")
    if find_algorithm(config.algorithm).plays_groups:
        return GroupCollector(specs, num_envs, config.group_size, **options)
    kind = Collector if config.engine == "hf" else AsyncCollector
    return kind(specs, num_envs, **options)


def _run(
    config: PPOConfig,
    policy: VLMPolicy,
    specs: Sequence[EnvSpec],
    callbacks: Sequence[Any],
    saved: Saved[PPOConfig] | None,
    processes: Processes,
    reporters: Sequence[Reporter],
) -> VLMPolicy:
    """Trains from the start, or from a checkpoint."""
    gathered = GatheredPolicy(policy, processes)
    at_once = processes.share(config.num_envs, "num_envs")
    with (
        closing(make_collector(config, policy, specs, processes)) as collector,
        closing(policy),
    ):
        policy.engine = make_engine(
            config, policy, at_once, processes, sleeps=not config.async_updates
        )
        with ExitStack() as stack:
            run = recorder = None
            if processes.is_main:
                run = Run(
                    config.out,
                    _resolved(config, policy, collector),
                    overwrite=config.overwrite,
                    resumed=None if saved is None else saved.position,
                    reporters=reporters,
                )
                stack.enter_context(run.saving(gathered))
                recorder = stack.enter_context(
                    record_rollouts(
                        config.out,
                        policy,
                        envs=specs,
                        episodes=config.record_episodes,
                        critic=config.has_critic,
                    )
                )
            per_update = config.num_envs * config.rollout_steps
            hooks = Hooks(
                config,
                gathered,
                specs,
                -(-config.total_steps // per_update) * per_update,
                processes,
                callbacks=callbacks,
                num_envs=at_once,
                change=partial(_change, config, collector, recorder),
            )
            _train(config, gathered, collector, run, recorder, hooks, saved, processes)
        processes.finish()
    return policy


def _resolved(
    config: PPOConfig, policy: VLMPolicy, collector: Collector | GroupCollector
) -> PPOConfig:
    """Returns the options with numbers in place of defaults by model or environment."""
    generation = policy.generation_config
    learned: dict[str, Any] = {}
    if config.has_critic:
        learned["value_learning_rate"] = value_learning_rate(config)
    return replace(
        config,
        temperature=generation.temperature,
        max_new_tokens=generation.max_new_tokens,
        top_k=generation.top_k,
        top_p=generation.top_p,
        parser=generation.parser,
        history=generation.history,
        history_length=generation.history_length,
        history_tokens=generation.history_tokens,
        illegal_penalty=collector.illegal_penalty,
        importance_cap=importance_cap(config, policy.compute_dtype),
        **learned,
    )


def _train(
    config: PPOConfig,
    gathered: GatheredPolicy,
    collector: Collector | GroupCollector,
    run: Run | None,
    recorder: RolloutRecorder | None,
    hooks: Hooks,
    saved: Saved[PPOConfig] | None,
    processes: Processes,
) -> None:
    """Collects and updates until the steps are made; the main process logs, records and saves."""
    total = hooks.training.total
    labels = [spec.label for spec in hooks.training.environments]
    if len(labels) == 1:
        labels = []
    per_update = config.num_envs * config.rollout_steps
    ppo = PPO(gathered.policy, config, total, processes)
    rollouts = Rollouts(ppo, collector)
    parts: dict[str, Stateful] = {"ppo": ppo, **hooks.parts}
    if recorder is not None:
        parts["recorder"] = recorder
    checkpoints = CheckpointManager(
        run,
        "ppo",
        gathered,
        parts,
        every=config.checkpoint_every,
        usual=1,
        keep=config.keep_checkpoints,
        own={"collector": rollouts, "imitation": ppo.imitation.buffer},
        processes=processes,
    )
    done = checkpoints.restore(saved) if saved is not None else 0
    if recorder is not None:
        recorder.forget(collector.restarted)
    hooks.started(done, ppo.updates, extended=saved is not None and saved.extended)
    if not hooks.goes_on:
        gathered.gather()  # the run was complete, and is saved again
    with (
        tqdm(
            total=total,
            initial=min(done, total),
            desc="ppo",
            unit=" steps",
            disable=not processes.is_main,
        ) as progress,
        checkpoints.finishing_updates(),
        closing(rollouts),
    ):
        while hooks.goes_on:
            rollout = rollouts.next(more=done + per_update < total)
            hooks.rollout_ended(rollout)
            advantages = ppo.advantages(rollout)
            ended = [] if recorder is None else recorder.add(rollout, advantages, done)
            started = time.perf_counter()
            metrics = {
                **merged_metrics(processes.gather((rollout.metrics, rollout.seconds)), labels),
                **ppo.update(rollout, advantages),
            }
            steps = sum(processes.gather(len(rollout)))
            metrics["time/update_steps_per_second"] = steps / (time.perf_counter() - started)
            metrics.update(checkpoints.metrics())
            metrics["system/peak_memory_gib"] = peak_memory()
            metrics |= gathered.policy.encoder.preparer.metrics()
            metrics |= gathered.policy.vision.metrics()
            if gathered.policy.engine is not None:
                metrics |= gathered.policy.engine.metrics()
            done += steps
            rollouts.wait()  # an evaluation may need the engine
            metrics = hooks.updated(done, ppo.updates, metrics)
            if run is not None:
                run.log(done, metrics)
                run.show(done, ended)
            progress.update(min(steps, total - progress.n))
            success = metrics["rollout/success_rate"]
            progress.set_postfix(success="-" if success is None else f"{success:.2f}")
            hooks.checkpointed(checkpoints.updated(done, ppo.updates, last=not hooks.goes_on))
        hooks.ended()


def _change(
    config: PPOConfig,
    collector: Collector | GroupCollector,
    recorder: RolloutRecorder | None,
    envs: Sequence[EnvSpec],
) -> None:
    """Changes the environments that are played, where callbacks decided so."""
    if config.async_updates and tuple(envs) != tuple(collector.specs):
        raise ValueError(
            "a callback changes the environments while a rollout is written in those of before: "
            "train with async_updates=0"
        )
    dropped = collector.change(envs)
    if recorder is not None:
        recorder.change(envs, dropped)
