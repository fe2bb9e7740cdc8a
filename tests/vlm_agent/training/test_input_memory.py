"""Memory for pictures changes how often they are prepared, and nothing else."""

import threading

import pytest
import torch

from tests.support.launching import NUMBER_LINE, shown
from vlm_agent.config.model import LoadOptions
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.models.inputs import preparing
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import train_ppo


@pytest.fixture
def train(make_policy, tmp_path):
    """Trains a small policy on 24 different pictures, with options of memory."""
    make_policy().save(tmp_path / "start")

    def run(name, **options):
        policy = train_ppo(
            PPOConfig(
                env=NUMBER_LINE,
                env_kwargs={"max_position": 40},
                model=str(tmp_path / "start"),
                out=str(tmp_path / name),
                num_envs=8,
                rollout_steps=3,
                total_steps=24,
                minibatch_size=8,
                micro_batch_size=4,
                record_episodes=0,
                **options,
            )
        )
        (row,) = read_metrics(tmp_path / name)
        return policy, shown(tmp_path / name), row

    return run


@pytest.mark.parametrize("parts", [{}, {"lora": True, "lora_rank": 2, "lora_parts": ("language",)}])
def test_a_run_with_less_memory_is_the_same_run(train, parts):
    policy, metrics, row = train("roomy", **parts)
    # Each was prepared in the rollout, and found for its length and in each of four epochs.
    assert row["system/input_cache_hit_rate"] >= 1 - 1 / 6
    assert 0 < row["system/input_cache_gib"] < 0.1
    # Room for prompts, but for few pictures: a quarter of it is for prompts and originals.
    narrow = row["system/input_cache_gib"] / 2
    other, same_metrics, less = train(
        "narrow", input_cache_gib=narrow, vision_cache_gib=1e-9, **parts
    )
    assert less["system/input_cache_hit_rate"] < row["system/input_cache_hit_rate"] - 0.2
    assert less["system/input_cache_gib"] <= narrow
    assert same_metrics == metrics
    for name, parameter in policy.named_parameters():
        assert torch.equal(other.get_parameter(name), parameter), name
    if parts:
        assert row["system/vision_cache_hit_rate"] >= 0.75
        assert less["system/vision_cache_hit_rate"] == 0
    else:
        assert row["system/vision_cache_hit_rate"] is less["system/vision_cache_hit_rate"] is None


def test_the_next_micro_batch_is_prepared_while_the_model_computes(train, monkeypatch):
    callers = []
    rows = preparing._rows

    def called(processor, keys, max_length):
        callers.append(threading.current_thread() is threading.main_thread())
        return rows(processor, keys, max_length)

    monkeypatch.setattr(preparing, "_rows", called)
    train("roomy")
    assert not [by_main for by_main in callers if not by_main], "nothing to prepare again"
    callers.clear()
    train("narrow", input_cache_gib=1e-6)
    # Of the two micro-batches of 12 minibatches, the main thread prepares none but the first.
    assert callers.count(False) >= 11


def test_a_loaded_policy_has_the_memory_that_was_asked_for(make_policy, tmp_path):
    make_policy().save(tmp_path)
    policy = VLMPolicy.load(tmp_path, options=LoadOptions(input_cache_gib=0.5))
    assert policy.encoder.preparer.cache.capacity == 2**29
