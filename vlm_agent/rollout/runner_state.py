"""Episode runners as plain values for checkpoints, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

from vlm_agent.core.types import Observation, PastStep, Task
from vlm_agent.rollout.episode_runner import EpisodeRunner
from vlm_agent.rollout.resumable_env import NotReproducedError, Resumable


def runner_state(runner: EpisodeRunner) -> dict[str, Any]:
    """Returns the state of a runner whose environment is `Resumable`."""
    return {
        "env": cast(Resumable, runner.env).state_dict(),
        "now": observation_state(runner.observation),
        "episode_return": runner.episode_return,
        "episode_length": runner.episode_length,
    }


def restore_runners(
    runners: Sequence[EpisodeRunner], states: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Restores runners to saved states.

    An environment that cannot be restored starts a new episode, with a warning.

    Args:
        runners: New runners, with environments like those that were saved.
        states: What `runner_state` returned for each.

    Returns:
        Indices of the runners that started a new episode.
    """
    restarted: list[int] = []
    reasons: list[str] = []
    for number, (runner, state) in enumerate(zip(runners, states, strict=True)):
        env = cast(Resumable, runner.env)
        try:
            env.load_state_dict(state["env"])
        except NotReproducedError as error:
            restarted.append(number)
            reasons.append(str(error))
            runner.begin(*env.reset_to_new_seed())
        else:
            runner.observation = observation_from(state["now"], runner.task)
            runner.episode_return = state["episode_return"]
            runner.episode_length = state["episode_length"]
    if restarted:
        warnings.warn(
            f"{len(restarted)} of {len(runners)} environments cannot be restored and continue with "
            "new episodes; results will differ from those of an uninterrupted run. "
            f"{runners[restarted[0]].env}: {reasons[0]}",
            stacklevel=3,
        )
    return restarted


def observation_state(observation: Observation) -> dict[str, Any]:
    """Returns an observation as plain values and arrays, without its task."""
    return {
        "image": observation.image,
        "actions": list(observation.actions),
        "given": dict(observation.given),
        "goal": observation.goal,
        "state": dict(observation.state),
        "mask": None if observation.mask is None else list(observation.mask),
        "history": [_past_state(each) for each in observation.history],
    }


def _past_state(step: PastStep) -> dict[str, Any]:
    asked = None if step.asked is None else observation_state(step.asked)
    return {"image": step.image, "action": step.action, "reply": step.reply, "asked": asked}


def observation_from(state: Mapping[str, Any], task: Task) -> Observation:
    """Returns the observation that `observation_state` described."""
    return Observation(
        image=state["image"],
        task=task,
        actions=tuple(state["actions"]),
        given=state["given"],
        goal=state["goal"],
        state=state["state"],
        history=tuple(_past_step(each, task) for each in state["history"]),
        mask=None if state["mask"] is None else tuple(state["mask"]),
    )


def _past_step(state: Mapping[str, Any], task: Task) -> PastStep:
    # Checkpoints of earlier releases have neither reply nor observation.
    asked = state.get("asked") and observation_from(state["asked"], task)
    return PastStep(state["image"], state["action"], state.get("reply", ""), asked)
