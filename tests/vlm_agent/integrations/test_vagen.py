"""Calls of VAGEN's runner on an environment."""

import asyncio
import inspect

import pytest
from PIL import Image

from vlm_agent.core.seeding import episode_seeds
from vlm_agent.integrations.vagen import GymCards

NUMBER_LINE = "gym_cards/NumberLine-v0"


def check(observation):
    """Makes sure that there is a placeholder for each picture, as VAGEN requires."""
    pictures = observation.get("multi_modal_input", {}).get("<image>", [])
    assert observation["obs_str"].count("<image>") == len(pictures)
    assert all(isinstance(picture, Image.Image) for picture in pictures)
    return pictures


async def play(env, seed, reply):
    check(await env.system_prompt())
    observation, info = await env.reset(seed=seed)
    assert len(check(observation)) == 1
    steps, done = [], False
    while not done:
        observation, reward, done, info = await env.step(reply)
        assert len(check(observation)) == 1
        steps.append((reward, info["success"], info["truncated"], info["format_correct"]))
    return steps


def test_the_coroutines_are_those_of_its_base_class():
    for name in ("reset", "step", "system_prompt", "close"):
        assert inspect.iscoroutinefunction(getattr(GymCards, name))


def test_episodes_are_played_and_follow_from_their_seeds():
    env = GymCards({"env": NUMBER_LINE})
    ends = []
    for seed in episode_seeds("training", 0, 6):
        steps = asyncio.run(play(env, seed, '{"action": "+"}'))
        assert steps == asyncio.run(play(env, seed, '{"action": "+"}'))
        assert all(valid for *_, valid in steps)
        ends.append(steps[-1][1])
        assert ends[-1] == (sum(reward for reward, *_ in steps) > 0)
    assert set(ends) == {True, False}
    asyncio.run(env.close())


def test_a_limit_of_time_is_told_apart_from_an_end():
    env = GymCards({"env": NUMBER_LINE, "env_kwargs": {"max_episode_steps": 1}, "cot": False})
    cut = [asyncio.run(play(env, seed, "up")) for seed in episode_seeds("training", 0, 8)]
    assert all(len(steps) == 1 for steps in cut)
    assert not any(valid for ((*_, valid),) in cut)
    assert {truncated for ((_, _, truncated, _),) in cut} == {True, False}
    with pytest.raises(ValueError, match="the episode is over"):
        asyncio.run(env.step("up"))


def test_prompts_can_be_replaced():
    env = GymCards(
        {"env": NUMBER_LINE, "prompt": "{{ form }}\n", "system_prompt": "Be kind to me."}
    )
    assert asyncio.run(env.system_prompt()) == {"obs_str": "Be kind to me."}
    observation, _ = asyncio.run(env.reset(seed=1))
    assert observation["obs_str"].startswith('<image>\n{"current number"')
    asyncio.run(env.close())


def test_configurations_are_checked():
    for wrong in ({}, {"env": NUMBER_LINE, "size": 3}):
        with pytest.raises(ValueError, match="expected env, such as"):
            GymCards(wrong)
