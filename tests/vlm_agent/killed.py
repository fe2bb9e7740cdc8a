"""Trainings in processes of their own, to be killed."""

import hashlib
import json
import multiprocessing
import shutil
import time
from pathlib import Path

import torch
import torch.utils.tensorboard
from transformers import CLIPVisionModel, LlamaModel, LlavaForConditionalGeneration, LlavaProcessor

import gym_cards
from tests.vlm_agent.updates import config
from vlm_agent.ppo_training import resume_ppo, train_ppo
from vlm_agent.resume import POLICY
from vlm_agent.runs import CHECKPOINTS, METRICS_FILE, read_metrics
from vlm_agent.trees import read_tree

# Processes are forked from one that has imported everything and has computed nothing. That takes
# far longer than a run.
_IMPORTED = (
    *(gym_cards, torch.utils.tensorboard),
    *(CLIPVisionModel, LlamaModel, LlavaForConditionalGeneration, LlavaProcessor),
)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def settings(tmp_path, out, **changes):
    """A short run that has a state of every kind."""
    small = {
        "env": "gym_cards/NumberLine-v0",
        "out": str(tmp_path / out),
        "max_new_tokens": 6,
        "total_steps": 16,
        "num_envs": 2,
        "rollout_steps": 2,
        "minibatch_size": 4,
        "micro_batch_size": 2,
        "epochs": 1,
        "memory": 1,
        "imitation_coef": 0.5,
        "kl_coef": 0.1,
        "entropy_coef": 0.01,
        "stop_value_gradient": True,
        "standardise_values": True,
        "record_episodes": 1,
    }
    return config(tmp_path, **{**small, **changes})


def _train(options, threads):
    torch.set_num_threads(threads)
    train_ppo(options)


def _resume(place):
    torch.set_num_threads(3)  # what the checkpoint says goes before this
    resume_ppo(place)


def run(target, *arguments, kill_after=None):
    """Runs a training; gives whether it was killed, and how many seconds it took."""
    process = _CONTEXT.Process(target=target, args=arguments)
    started = time.monotonic()
    process.start()
    process.join(kill_after)
    if killed := process.exitcode is None:
        process.kill()
        process.join()
    assert killed or process.exitcode == 0, f"exit status {process.exitcode}"
    return killed, time.monotonic() - started


def train(options, threads=1, kill_after=None):
    return run(_train, options, threads, kill_after=kill_after)


def resume(options, kill_after=None):
    return run(_resume, options.out, kill_after=kill_after)


def has_checkpoint(options):
    return any(Path(options.out, CHECKPOINTS).glob("step-?????????"))


def finish(options, threads=1):
    """Brings a killed run to its end, from its start where it was killed before a checkpoint."""
    if has_checkpoint(options):
        resume(options)
    else:
        shutil.rmtree(options.out, ignore_errors=True)
        train(options, threads)


def outcome(out):
    """All that a run leaves behind, but for times and memory."""
    out = Path(out)
    newest = max((out / CHECKPOINTS).iterdir())
    state = read_tree(newest, "training")
    del state["metrics_size"]  # times are of different lengths, and so are names of directories
    state["parts"].get("recorder", {}).pop("size", None)
    for own in state["own"]:  # different in every process
        del own["random"]["python"], own["random"]["numpy"]
    episodes = out / "trajectories" / "episodes.jsonl"
    lines = episodes.read_text().splitlines() if episodes.exists() else []
    return {
        "metrics": [
            {k: v for k, v in row.items() if not k.startswith(("time/", "system/"))}
            for row in read_metrics(out)
        ],
        "lines": (out / METRICS_FILE).read_text().count("\n"),
        "weights": {
            path.name: path.read_bytes()
            for folder in (out, newest / POLICY)
            for path in sorted(folder.glob("*.safetensors"))
        },
        "newest": newest.name,
        "state": json.dumps(state, sort_keys=True, default=_digest),
        "episodes": [{**json.loads(line), "policy": None} for line in lines],
    }


def _digest(array):
    """What stands for a tensor or an array."""
    data = torch.as_tensor(array).contiguous().reshape(-1).view(torch.uint8)
    return f"{array.dtype} {tuple(array.shape)} {hashlib.sha256(data.numpy()).hexdigest()}"
