"""Hand-written runs and recorded episodes for tests of the report."""

import dataclasses
import json

import numpy as np

from vlm_agent.data.trajectory_writer import TrajectoryWriter
from vlm_agent.training.ppo_config import PPOConfig

NASTY = [
    "</script><script>document.title = 'taken over'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title='taken over'\">",
    "%DATA% %SCRIPT% ${1} \\u003c &lt; ]]>",
    "right \u202e to left \u2066 and \u0000 \u2028 \U0001f0a1 e\u0301 \ud800",
    "long " * 300_000,
    "",
]

EVALUATION = {
    "env": "a/B-v0",
    "policy": "random",
    "episodes": 40,
    "success_rate": 0.25,
    "success_interval": [0.14, 0.4],
    "mean_return": -1.0,
    "mean_length": 3.0,
    "illegal_rate": 0.1,
    "perception": None,
}


def training_run(directory, rates, config=None, **changes):
    """Writes a run that logged success rates, each of 40 episodes."""
    directory.mkdir(parents=True, exist_ok=True)
    config = config or PPOConfig("a/B-v0", "start", "out", **changes)
    (directory / "run.json").write_text(json.dumps(dataclasses.asdict(config)))
    rows = [
        {
            "step": 100 * (i + 1),
            "rollout/episodes": 40,
            "rollout/success_rate": rate,
            "rollout/mean_return": rate * 2 - 1,
            "train/approx_kl": 0.01,
        }
        for i, rate in enumerate(rates)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (directory / "metrics.jsonl").write_text(lines)
    return directory


def recorded_step(reply='{"thoughts": "up", "action": "on"}', prompt="Count.", **changes):
    """Returns a step whose tokens are the halves of the reply."""
    half = len(reply) // 2
    return {
        "pictures": [],
        "prompt": prompt,
        "actions": ["on", "end"],
        "state": {"number": "4", "told": "x"},
        "given": ["told"],
        "reply": reply,
        "read": {"number": "5"},
        "tokens": [1, 2],
        "token_texts": [reply[:half], reply[half:]],
        "log_probs": [-0.01, -2.5],
        "action_token": 1,
        "parsed_action": 0,
        "played_action": 0,
        "reward": 1.0,
        "penalty": 0.0,
        "value": 0.5,
        "advantage": -0.25,
        **changes,
    }


def recorded_episode(
    steps=None, *, won=True, number=0, policy="me", purpose="evaluation", **changes
):
    """Returns an episode, by default with a single step."""
    steps = [recorded_step(**changes)] if steps is None else steps
    return {
        "format": "vlm-agent-episode",
        "version": 1,
        "purpose": purpose,
        "policy": policy,
        "env": "a/B-v0",
        "kwargs": {},
        "number": number,
        "seed": 9007199254740993,
        "trained_steps": None,
        "success": won,
        "total_reward": float(len(steps)),
        "length": len(steps),
        "group": None,
        "steps": steps,
    }


def recording(folder, episodes):
    """Writes a folder of episodes; those without pictures get one per step."""
    writer = TrajectoryWriter(folder)
    for count, episode in enumerate(episodes):
        for index, step in enumerate(episode["steps"]):
            shade = np.full((12, 12, 3), 40 + 20 * index + count, np.uint8)
            step["pictures"] = step["pictures"] or [writer.save_picture(shade)]
        writer.write(episode)
    writer.close()
    return folder
