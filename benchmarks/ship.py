"""Makes a policy of the package out of a run: half-precision weights, evaluated as they are.

    python benchmarks/ship.py runs/demo/ppo numberline-tiny --made-by "vlm-agent demo"

The policy goes to `vlm_agent/policies`, without value head, checkpoints and metrics. Its run.json
holds the options that it was trained with, `evaluation.json` its success over 1,000 episodes at
temperature 0.2, and README.md the commands that make and evaluate it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vlm_agent.core.run_directory import CONFIG_FILE, PACKAGED
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.value_head import VALUE_HEAD_FILE

TEMPERATURE = 0.2
# Options of run.json that are of the machine and not of the training.
_LOCAL = ("out", "model", "record_episodes", "checkpoint_every", "keep_checkpoints")


_README = """# {name}

Plays `{env}`: {rate:.1%} success in {episodes:,} episodes (95% interval {low:.1%} to {high:.1%}).
Weights are those of the embedded vision-language model, in half precision.

Made by:

```
{made_by}
```

Evaluated by:

```
vlm-agent eval --policy {name} --env {env} --episodes {episodes} --num-envs 32{kwargs}
```
"""


def ship(
    run: Path, name: str, made_by: Sequence[str], episodes: int, env_kwargs: dict[str, Any]
) -> Path:
    """Writes a packaged policy and returns its folder."""
    place = PACKAGED / name
    shutil.rmtree(place, ignore_errors=True)
    policy = VLMPolicy.load(run)
    policy.generation_config = replace(policy.generation_config, temperature=TEMPERATURE)
    # The config still names float32, so that the weights are loaded in that format.
    format_ = policy.model.config.dtype
    policy.model.half()
    policy.model.config.dtype = format_
    policy.save(place)
    (place / VALUE_HEAD_FILE).unlink()
    config = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key not in _LOCAL}
    (place / CONFIG_FILE).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    result = evaluate(
        VLMPolicy.load(place),
        config["env"],
        env_kwargs=env_kwargs,
        episodes=episodes,
        num_envs=32,
        name=name,
    )
    record = {key: value for key, value in result.record().items() if key != "seconds_per_step"}
    text = json.dumps(record, indent=2) + "\n"
    (place / "evaluation.json").write_text(text, encoding="utf-8")
    low, high = result.success_interval
    kwargs = f" --env-kwargs '{json.dumps(env_kwargs)}'" if env_kwargs else ""
    readme = _README.format(
        name=name,
        env=config["env"],
        rate=result.success_rate,
        episodes=episodes,
        low=low,
        high=high,
        kwargs=kwargs,
        made_by="\n".join(made_by),
    )
    (place / "README.md").write_text(readme, encoding="utf-8")
    for path in place.iterdir():
        path.chmod(0o644)
    return place


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and writes the policy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="directory of a run of `vlm-agent ppo`")
    parser.add_argument("name", help="name of the policy in the package")
    parser.add_argument("--episodes", type=int, default=1000, help="of its evaluation")
    parser.add_argument("--made-by", nargs="+", required=True, help="commands that made the run")
    parser.add_argument("--env-kwargs", type=json.loads, default={}, help="of it, as JSON")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    place = ship(options.run, options.name, options.made_by, options.episodes, options.env_kwargs)
    size = sum(path.stat().st_size for path in place.iterdir()) / 2**20
    print(f"saved {place}, {size:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
