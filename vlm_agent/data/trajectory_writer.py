"""Writing recorded episodes, in the format of `trajectory_format`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.prompt_builder import builder_of
from vlm_agent.core.prompts import messages_text, plain_text
from vlm_agent.core.system.disk import cut, sync
from vlm_agent.core.system.json_lines import open_to_append
from vlm_agent.core.types import Observation, Reply
from vlm_agent.data.trajectory_format import (
    EPISODES_FILE,
    FORMAT,
    PICTURES,
    VERSION,
    EpisodeRecord,
    StepRecord,
)


class TrajectoryWriter:
    """Appends episodes to a folder.

    Args:
        folder: Created if it does not exist.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / PICTURES).mkdir(parents=True, exist_ok=True)
        self._file = open_to_append(self.folder / EPISODES_FILE)

    def write(self, episode: EpisodeRecord) -> None:
        """Appends an episode, whose pictures `save_picture` has stored."""
        self._file.write(json.dumps(episode, ensure_ascii=True).encode() + b"\n")
        self._file.flush()

    def save_picture(self, image: NDArray[np.uint8]) -> str:
        """Stores a picture unless it is stored already, and returns its path within the folder.

        Args:
            image: uint8 of shape (height, width, 3).
        """
        from PIL import Image

        shape = np.asarray(image.shape, np.uint32).tobytes()
        digest = hashlib.blake2b(shape + image.tobytes(), digest_size=12).hexdigest()
        name = f"{PICTURES}/{digest}.png"
        path = self.folder / name
        if not path.exists():
            # Renamed when complete, so that a crash leaves no partial picture under this name.
            part = path.with_suffix(".part")
            Image.fromarray(image).save(part, format="PNG")
            os.replace(part, path)
        return name

    def size(self) -> int:
        """Returns the size of `episodes.jsonl` in bytes, after syncing it to disk."""
        return sync(self._file)

    def cut(self, size: int) -> None:
        """Removes the episodes that were written since the file had a size.

        Raises:
            ValueError: If the file is shorter.
        """
        cut(self._file, size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@dataclass(frozen=True)
class PlayedStep:
    """One step as it was played.

    Attributes:
        observation: What the policy replied to.
        reply: What the policy replied.
        action: Index into the observation's actions of the action that was played.
        reward: The environment's reward.
        penalty: What learning subtracts from it because the reply named no action.
        advantage: The step's advantage; `None` outside of training.
    """

    observation: Observation
    reply: Reply
    action: int
    reward: float
    penalty: float = 0.0
    advantage: float | None = None


class EpisodeRecorder:
    """Converts played steps into records, and writes the episodes of one policy.

    Args:
        writer: Where episodes are written.
        policy: The policy that plays; the `encoder` of a model splits replies into tokens.
        name: Name of the policy.
        env: Id of the environment.
        kwargs: Keyword arguments of the environment.
        purpose: Whether the episodes train the policy or evaluate it.
        critic: Whether the values of replies are those of a trained critic.
    """

    def __init__(
        self,
        writer: TrajectoryWriter,
        policy: Any,
        *,
        name: str,
        env: str,
        kwargs: Mapping[str, Any],
        purpose: Literal["training", "evaluation"],
        critic: bool = True,
    ) -> None:
        self.writer = writer
        self._encoder = getattr(policy, "encoder", None)
        config = getattr(policy, "generation_config", None)
        self._builder = builder_of(policy)
        self._greedy = getattr(config, "temperature", 1.0) == 0
        self._critic = critic
        self._header = {"policy": name, "env": env, "kwargs": dict(kwargs), "purpose": purpose}

    def step_record(self, step: PlayedStep) -> StepRecord:
        """Returns the record of a step, and stores its pictures."""
        observation, reply = step.observation, step.reply
        tokens = list(reply.tokens)
        texts = self._encoder.token_texts(tokens) if tokens and self._encoder is not None else []
        messages = self._builder.messages(observation)
        record: StepRecord = {
            "pictures": [
                self.writer.save_picture(image) for image in self._builder.pictures(observation)
            ],
            "prompt": messages_text(messages),
            "actions": list(observation.actions),
            "state": dict(observation.state),
            "given": list(observation.given),
            "reply": reply.text,
            "read": _fields_read(reply, observation),
            "tokens": tokens,
            "token_texts": texts,
            "log_probs": list(reply.log_probs) if tokens and not self._greedy else None,
            "action_token": reply.action_token,
            "parsed_action": reply.action,
            "played_action": int(step.action),
            "reward": float(step.reward),
            "penalty": float(step.penalty),
            "value": float(reply.value) if tokens and self._critic else None,
            "advantage": None if step.advantage is None else float(step.advantage),
        }
        if plain_text(messages) is None:
            record["messages"] = messages
        return record

    def write_episode(
        self,
        steps: Sequence[StepRecord],
        *,
        number: int,
        seed: int | None,
        success: bool,
        trained_steps: int | None = None,
        group: int | None = None,
        env: str | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> EpisodeRecord:
        """Writes a finished episode and returns its record.

        Args:
            steps: All of its steps.
            number: Number of the episode among those recorded or played.
            seed: Random seed of its reset; `None` if the environment was reset without one.
            success: Whether it was a success.
            trained_steps: Number of environment steps of training before it began.
            group: Number of the group in which it is compared.
            env: Id of the environment, where the recorder's is not that of all episodes.
            kwargs: Its keyword arguments, likewise.
        """
        own = {"env": env, "kwargs": kwargs}
        record = {
            "format": FORMAT,
            "version": VERSION,
            **self._header,
            **{name: value for name, value in own.items() if value is not None},
            "number": number,
            "seed": seed,
            "trained_steps": trained_steps,
            "success": bool(success),
            "total_reward": sum(step["reward"] for step in steps),
            "length": len(steps),
            "group": group,
            "steps": list(steps),
        }
        self.writer.write(cast(EpisodeRecord, record))
        return cast(EpisodeRecord, record)


def _fields_read(reply: Reply, observation: Observation) -> dict[str, str]:
    """Returns the state fields that a reply reads out, except for those that the prompt gives."""
    read = reply.fields
    return {name: read[name] for name in observation.unsaid if name in read}
