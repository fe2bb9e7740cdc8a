import itertools
import json

import gymnasium as gym
import numpy as np
import pytest

from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.parsing import parse
from vlm_agent.core.types import Demonstration, Observation, Task
from vlm_agent.data.demonstrations import (
    Demonstrator,
    demonstration_from,
    demonstration_state,
)

ENVS = ["NumberLine", "EZPoints", "Points24", "Blackjack"]


def demonstrate(batches, *args, **kwargs):
    demonstrator = Demonstrator(*args, **kwargs)
    items = list(itertools.chain.from_iterable(itertools.islice(demonstrator, batches)))
    demonstrator.close()
    return items


@pytest.mark.parametrize("name", ENVS)
@pytest.mark.parametrize("random_share", [0.0, 1.0])
def test_replies_read_reason_and_act(name, random_share):
    for item in demonstrate(20, f"gym_cards/{name}-v0", num_envs=4, random_share=random_share):
        reply = json.loads(item.reply)
        assert list(reply) == [*item.observation.state, "thoughts", "action"]
        assert all(reply[field] == value for field, value in item.observation.state.items())
        assert parse(item.reply, item.observation.actions).action is not None


def test_moves_that_are_not_shown_have_replies_where_these_are_remembered():
    few = {"num_envs": 2, "random_share": 0.5, "shown_share": 0.3, "history_length": 2}
    items = demonstrate(10, "gym_cards/NumberLine-v0", **few, history="replies")
    steps = [step for item in items for step in item.observation.history]
    assert len(steps) > 10
    for step in steps:
        reply = json.loads(step.reply)
        assert {**step.asked.state, "action": step.action}.items() <= reply.items()
    pictures = demonstrate(10, "gym_cards/NumberLine-v0", **few)
    assert [item.reply for item in pictures] == [item.reply for item in items]
    assert "" in [step.reply for item in pictures for step in item.observation.history]


def test_an_expert_demonstrates_what_it_plays():
    for item in demonstrate(20, "gym_cards/NumberLine-v0", num_envs=4):
        current, target = (int(value) for value in item.observation.state.values())
        reply = json.loads(item.reply)
        assert reply["action"] == ("+" if current < target else "-")


def test_random_moves_come_with_reasons_that_fit_them():
    items = demonstrate(100, "gym_cards/NumberLine-v0", num_envs=8, random_share=1.0)
    wrong = 0
    for item in items:
        current, target = (int(value) for value in item.observation.state.values())
        reply = json.loads(item.reply)
        assert ("add" in reply["thoughts"]) == (reply["action"] == "+")
        assert f"current {current}, target {target}" in reply["thoughts"], "nothing false is said"
        wrong += reply["action"] != ("+" if current < target else "-")
    # Half of 800, within five standard deviations.
    assert abs(wrong / len(items) - 0.5) < 5 * 0.5 / len(items) ** 0.5


def test_the_share_of_random_moves_is_the_one_asked_for():
    items = demonstrate(100, "gym_cards/NumberLine-v0", num_envs=8, random_share=0.5)
    wrong = 0
    for item in items:
        current, target = (int(value) for value in item.observation.state.values())
        wrong += json.loads(item.reply)["action"] != ("+" if current < target else "-")
    assert abs(wrong / len(items) - 0.25) < 5 * (0.25 * 0.75 / len(items)) ** 0.5


def test_the_same_seed_demonstrates_the_same():
    def replies(seed):
        items = demonstrate(5, "gym_cards/Points24-v0", num_envs=3, random_share=0.5, seed=seed)
        return [item.reply for item in items]

    assert replies(1) == replies(1)
    assert replies(1) != replies(2)


def test_without_chain_of_thought():
    (item, *_) = demonstrate(1, "gym_cards/NumberLine-v0", num_envs=1, cot=False)
    assert list(json.loads(item.reply)) == ["action"]


def test_environment_arguments_are_used():
    items = demonstrate(20, "gym_cards/NumberLine-v0", num_envs=4, env_kwargs={"max_position": 9})
    assert max(int(v) for item in items for v in item.observation.state.values()) > 5


def test_mistakes_are_clear_errors():
    with pytest.raises(ValueError, match="random_share 2"):
        Demonstrator("gym_cards/NumberLine-v0", random_share=2)

    class Mute(gym.Wrapper):
        def has_wrapper_attr(self, name):
            return name not in ("expert", "demonstrate") and super().has_wrapper_attr(name)

    with pytest.raises(ProtocolError, match="no `expert\\(\\)`"):
        Demonstrator(lambda: Mute(gym.make("gym_cards:gym_cards/NumberLine-v0")))


def test_a_player_who_sees_no_more_is_learnt_from_where_there_is_one():
    class Honest(gym.Wrapper):
        def demonstrate(self):
            return 0, "I saw it"

    demonstrator = Demonstrator(lambda: Honest(gym.make("gym_cards:gym_cards/NumberLine-v0")))
    (first, *_) = next(iter(demonstrator))
    demonstrator.close()
    assert json.loads(first.reply)["thoughts"] == "I saw it"


def test_detours_are_played_and_not_shown():
    """From where the expert always goes right, random moves lead to every other place."""
    env, starts = "gym_cards/NumberLine-v0", {"current": 2, "target": 3}

    class Fixed(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            return self.env.reset(seed=seed, options=starts)

    def places(**share):
        demonstrator = Demonstrator(lambda: Fixed(gym.make(f"gym_cards:{env}")), **share)
        items = [item for batch in itertools.islice(demonstrator, 40) for item in batch]
        demonstrator.close()
        for item in items:
            state = {name: int(value) for name, value in item.observation.state.items()}
            up = state["current number"] < state["target number"]
            assert json.loads(item.reply)["action"] == ("+" if up else "-"), "the expert's moves"
        return {item.observation.state["current number"] for item in items}

    assert places() == {"2"}
    assert places(detour_share=0.6) >= {"0", "1", "2"}
    for wrong in (1, -0.5):
        with pytest.raises(ValueError, match=f"detour_share {wrong}: expected a share from 0 to b"):
            Demonstrator(env, detour_share=wrong)


def test_a_share_of_the_moves_is_shown():
    """With a share of 0.1, a hand of Points24, solved in up to 10 moves, is seen about once."""
    env = "gym_cards/Points24-v0"
    kwargs = {"hands": "solvable"}
    all_moves = demonstrate(8 * 30, env, num_envs=1, env_kwargs=kwargs)
    few = demonstrate(8 * 30, env, num_envs=1, env_kwargs=kwargs, shown_share=0.1)
    hands = [len({item.observation.state["cards"] for item in items}) for items in (all_moves, few)]
    assert hands[0] < 8 * 30 / 6
    assert hands[1] > 8 * 30 / 2
    # Nothing is left out of the episodes themselves: every prefix of a formula is still shown.
    lengths = {len(item.observation.state["current formula"]) for item in few}
    assert {0, 1, 2, 3, 4} <= lengths
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match=f"shown_share {wrong}: expected a share above 0"):
            Demonstrator(env, shown_share=wrong)


@pytest.mark.parametrize("names", [None, ("left", "right")], ids=str)
def test_a_saved_demonstration_has_its_whole_task(names):
    task = Task("Go.", names, first_action=3, repeats_given=False)
    seen = Observation(
        np.zeros((2, 2, 3), np.uint8), task, names or ("go",), {"a": "1"}, None, {"a": "1"}
    )
    saved = demonstration_state(Demonstration(seen, "so", (0, 1)))
    saved["task"] = json.loads(json.dumps(saved["task"]))
    found = demonstration_from(saved)
    assert found.observation.task == task
    assert found.observation.fields == {}
    assert (found.reply, found.learned) == ("so", (0, 1))
