"""Typed client of a server of environments."""

from __future__ import annotations

from typing import Any

from openenv.core import EnvClient
from openenv.core.client_types import StepResult

from vlm_agent.integrations.openenv.models import GameAction, GameObservation, GameState


class GameEnv(EnvClient[GameAction, GameObservation, GameState]):
    """One session at a server of `vlm-agent openenv`.

    Each client has an environment of its own, which the server closes with the connection. It is
    asynchronous; `.sync()` returns a client for other code:

        with GameEnv(base_url="http://localhost:8000").sync() as env:
            result = env.reset(split="gym_cards/NumberLine-v0:test", index=0)
            while not result.done:
                result = env.step(GameAction(action=result.observation.actions[0]))
    """

    def _step_payload(self, action: GameAction) -> dict[str, Any]:
        return action.model_dump()

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[GameObservation]:
        reward, done = payload["reward"], payload["done"]
        observation = GameObservation(**payload["observation"], reward=reward, done=done)
        return StepResult(observation, reward, done, payload.get("metadata"))

    def _parse_state(self, payload: dict[str, Any]) -> GameState:
        return GameState(**payload)
