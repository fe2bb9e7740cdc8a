"""What an environment offers besides the values that every agent asks for."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.inspection.faults import (
    picture_faults,
    reason_faults,
    shown,
    text_faults,
    value_faults,
)
from vlm_agent.core.inspection.look import Visit
from vlm_agent.core.protocol import env_action
from vlm_agent.evaluation.check.episodes import Findings, Moment, Trace

_EXACT_MOMENTS = 2  # exact values may take long


class OfferChecks:
    """Checks of every moment of an environment.

    Args:
        env: The environment.
        findings: Where faults are added.
    """

    def __init__(self, env: gym.Env[Any, Any], findings: Findings) -> None:
        self._env = env
        self._findings = findings
        self._moments = 0
        self._shape: tuple[int, ...] | None = None

    def look(self, visit: Visit) -> None:
        """Checks the current moment of a visit."""
        if not picture_faults(visit.picture):
            self._check_picture(np.asarray(visit.picture))
        if not visit.task:
            return
        if visit.task.action_names is None:
            self._check_commands(visit)
        if not visit.ended:
            if self._moments < _EXACT_MOMENTS:
                self._check_values(visit)
            if not self._moments:
                self._check_reasons(visit)
        self._moments += 1

    def _check_picture(self, picture: Any) -> None:
        space = self._env.observation_space
        if not space.contains(picture):
            self._findings.add(
                [
                    f"an observation has shape {picture.shape} and dtype {picture.dtype}, and "
                    f"observation_space is {space}: expected one that holds it"
                ]
            )
        self._shape = self._shape or picture.shape
        if picture.shape != self._shape:
            self._findings.add(
                [f"observations have shapes {self._shape} and {picture.shape}: expected one shape"]
            )

    def _check_commands(self, visit: Visit) -> None:
        space = self._env.action_space
        for command in visit.observation.actions:
            if not space.contains(command):
                self._findings.add(
                    [
                        f"info['admissible_commands'] lists {shown(command)}, which action_space "
                        "does not hold"
                    ]
                )
                return

    def _check_values(self, visit: Visit) -> None:
        if not self._env.has_wrapper_attr("exact"):
            return
        with self._findings.errors_of("exact()"):
            try:
                exact = self._env.get_wrapper_attr("exact")()
            except RuntimeError:  # its way to say that the values are unknown
                return
            if exact is not None:
                count = len(visit.observation.actions)
                self._findings.add(value_faults(exact.action_values, count))

    def _check_reasons(self, visit: Visit) -> None:
        if not self._env.has_wrapper_attr("explain"):
            return
        for index, name in enumerate(visit.observation.actions):
            with self._findings.errors_of(f"explain, asked for {name!r},"):
                reason = self._env.get_wrapper_attr("explain")(env_action(visit.observation, index))
                self._findings.add(reason_faults("explain", reason))


def check_games(env: gym.Env[Any, Any], findings: Findings) -> None:
    """Checks `game_names`, and that the first and the last of the games can be chosen."""
    if not env.has_wrapper_attr("game_names"):
        return
    names = env.get_wrapper_attr("game_names")
    if names is None:
        return
    faults = text_faults("game_names", names)
    findings.add(faults)
    if faults:
        return
    for game in (0, len(names) - 1):
        with findings.errors_of(f"reset(options={{'game': {game}}})"):
            env.reset(seed=0, options={"game": game})


def check_lazy(make: EnvFactory, trace: Trace, findings: Findings) -> None:
    """Checks that pictures that are left out until asked for are the same ones.

    Args:
        make: Makes the environment.
        trace: A recorded episode.
        findings: Where faults are added.
    """
    env = make()
    try:
        if not all(map(env.has_wrapper_attr, ("lazy_observations", "current_observation"))):
            return
        with findings.errors_of("play with lazy_observations"):
            env.set_wrapper_attr("lazy_observations", True)
            visit = Visit(env)
            going = visit.start(trace.seed)
            for step, moment in enumerate(trace.moments):
                if not going:
                    return
                picture = env.get_wrapper_attr("current_observation")()
                found = Moment.of(picture, moment.reward, moment.ended, moment.info)
                if found.picture != moment.picture:
                    findings.add(
                        [
                            f"current_observation() after step {step} is not the picture that the "
                            "environment shows without lazy_observations: expected the same"
                        ]
                    )
                    return
                if step < len(trace.actions):
                    going = visit.play(trace.actions[step])
    finally:
        env.close()
