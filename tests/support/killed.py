"""Trainings in processes of their own, to be killed."""

import hashlib
import json
import multiprocessing
import shutil
import signal
import time
from pathlib import Path

import torch
import torch.utils.tensorboard
from transformers import CLIPVisionModel, LlamaModel, LlavaForConditionalGeneration, LlavaProcessor

import gym_cards
from tests.support.updates import config
from vlm_agent.core.run_directory import CHECKPOINTS, METRICS_FILE, read_metrics
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.saving.checkpoint_manager import POLICY
from vlm_agent.training.saving.tensor_tree import read_tree

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
        "ppo_epochs": 1,
        "history_length": 1,
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


def run(target, *arguments, kill=None):
    """Runs a training; gives whether it was killed, and how many seconds it took.

    To be killed, it is told what has to be true first, and how many seconds later.
    """
    process = _CONTEXT.Process(target=target, args=arguments)
    started = time.monotonic()
    process.start()
    if kill is not None:
        reached, seconds = kill
        while process.exitcode is None and not reached():
            time.sleep(0.002)
        process.join(seconds)
        process.kill()
    process.join()
    killed = process.exitcode == -signal.SIGKILL
    assert killed or process.exitcode == 0, f"exit status {process.exitcode}"
    return killed, time.monotonic() - started


def train(options, threads=1, kill=None):
    return run(_train, options, threads, kill=kill)


def resume(options, kill=None):
    return run(_resume, options.out, kill=kill)


def progress(options):
    """The step of the newest checkpoint, 0 without one."""
    found = Path(options.out, CHECKPOINTS).glob("step-?????????")
    return max((int(path.name.removeprefix("step-")) for path in found), default=0)


def finish(options, threads=1):
    """Brings a killed run to its end, from its start where it was killed before a checkpoint."""
    if progress(options):
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
