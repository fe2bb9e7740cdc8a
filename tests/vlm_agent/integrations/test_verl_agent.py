"""Calls of verl-agent's rollout loop on an environment manager."""

import re
from pathlib import Path

import numpy as np
import pytest

from vlm_agent.core.environments import make_env
from vlm_agent.core.prompts import build_prompt
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.integrations.verl_agent import EnvironmentManager

NUMBER_LINE = "gym_cards/NumberLine-v0"


def roll_out(manager, answer, max_steps=12):
    """The loop of verl-agent's TrajectoryCollector, without model and tensors."""
    observations, infos = manager.reset(kwargs=None)
    size = len(observations["text"])
    assert len(infos) == size
    done = np.zeros(size, bool)
    returns, lengths = np.zeros(size), np.zeros(size, int)
    batches, kept = [[] for _ in range(size)], [[] for _ in range(size)]
    for _ in range(max_steps):
        active = ~done
        replies = [answer(*pair) for pair in zip(observations["text"], range(size), strict=True)]
        observations, rewards, dones, infos = manager.step(replies)
        assert len(rewards.shape) == len(dones.shape) == 1
        assert np.array([info["is_action_valid"] for info in infos], dtype=bool).shape == (size,)
        returns[active] += rewards[active]
        lengths[active] += 1
        for i in range(size):
            batches[i].append({"active_masks": active[i]})
            kept[i].append(infos[i])
        done |= dones
        if done.all():
            break
    success = manager.success_evaluator(
        total_infos=kept, total_batch_list=batches, episode_rewards=returns, episode_lengths=lengths
    )
    return returns, lengths, success


def test_groups_start_alike_and_groups_differ():
    manager = EnvironmentManager("gym_cards/Points24-v0", 2, 3, seed=1)
    seen, infos = manager.reset(kwargs={})
    assert seen["image"].shape == (6, 300, 300, 3)
    assert [info["won"] for info in infos] == [False] * 6
    assert all(text.count("<image>") == 1 for text in seen["text"])
    for anchors in (seen["anchor"][:3], seen["anchor"][3:]):
        assert (anchors == anchors[0]).all()
    assert (seen["anchor"][0] != seen["anchor"][3]).any()
    again, _ = manager.reset(kwargs=None)  # the next episodes
    assert (again["image"] != seen["image"]).any()
    assert (EnvironmentManager("gym_cards/Points24-v0", 2, 3, seed=1).reset()[0]["image"]
            == seen["image"]).all()  # fmt: skip
    manager.close()


def test_evaluation_plays_the_episodes_of_every_player():
    def up(observation):
        return '{"action": "+"}'

    record = evaluate(up, NUMBER_LINE, episodes=12, seed=5)
    manager = EnvironmentManager(NUMBER_LINE, 12, seed=5, is_train=False)
    for _ in range(2):  # the same ones each time
        returns, lengths, success = roll_out(manager, lambda text, place: '{"action": "+"}')
        assert success["success_rate"].mean() == record.success_rate
        assert returns.mean() == pytest.approx(record.mean_return)
        assert lengths.mean() == record.mean_length
    assert 0 < record.success_rate < 1


def test_an_episode_that_is_over_stays_as_it_is():
    manager = EnvironmentManager(NUMBER_LINE, 8, seed=5, is_train=False)
    manager.reset()
    over = np.zeros(8, bool)
    before = None
    for _ in range(10):
        seen, rewards, dones, infos = manager.step(["+"] * 4 + ['{"action": "+"}'] * 4)
        if before is not None:
            assert (seen["image"][over] == before[over]).all()
        assert (rewards[over] == 0).all()
        assert (dones | ~over).all()
        for place, info in enumerate(infos):
            # "+" alone is no reply of the form that is asked for.
            assert bool(info["is_action_valid"]) == (place >= 4 or over[place])
        over, before = dones.copy(), seen["image"].copy()
    assert over.all()
    with pytest.raises(ValueError, match="7 replies for 8 environments"):
        manager.step(["+"] * 7)


def test_prompts_are_those_of_the_agent():
    env = make_env(NUMBER_LINE)
    prompt = build_prompt(observe(task_of(env), *env.reset(seed=0)), cot=False)
    (text,) = EnvironmentManager(NUMBER_LINE, 1, cot=False).reset()[0]["text"]
    assert text == f"<image>{prompt}"
    brief = EnvironmentManager(NUMBER_LINE, 1, prompt="{{ task }}\n{{ form }}")
    (text,) = brief.reset()[0]["text"]
    assert text.startswith("<image>You are playing")
    assert text.endswith(
        '{"current number": "...", "target number": "...", "thoughts": "...", "action": "..."}'
    )
    with pytest.raises(ValueError, match="group_size=0"):
        EnvironmentManager(NUMBER_LINE, 1, 0)


def test_text_actions_and_goals():
    manager = EnvironmentManager("gym_cards/ALFWorld-v0", 1, 2, seed=0)
    seen, _ = manager.reset()
    assert "Your goal: " in seen["text"][0]
    command = seen["text"][0].split("You can choose between ")[1].split('"')[1]
    _, _, _, infos = manager.step([f'{{"action": "{command}"}}', "I do not know"])
    assert [bool(info["is_action_valid"]) for info in infos] == [True, False]
    manager.close()


def test_the_code_in_the_document():
    page = (Path(__file__).parents[3] / "docs" / "training" / "other-trainers.md").read_text(
        encoding="utf-8"
    )
    (code,) = re.findall(
        r"```python\n(.*?EnvironmentManager.*?)```", page.split("## verl-agent")[1], re.DOTALL
    )
    found = {}
    exec(compile(code, "docs/training/other-trainers.md", "exec"), found)
    assert found["rewards"].shape == (8,)
    assert len(found["test"].reset()[0]["text"]) == 4
