import dataclasses
import math

import numpy as np
import pytest
from gymnasium import spaces

from gym_cards.cards import Card
from gym_cards.points.picture import PointsPicture
from tests.support.counting import Counting, Scripted, limited
from vlm_agent.core.errors import ProtocolError
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector


def ends(rollout):
    """Of each part of an episode: its steps, whether it has ended, and what follows is worth."""
    return [(each.steps, each.done, each.bootstrap_value) for each in rollout.segments]


def test_the_first_prompt_after_an_end_describes_the_new_episode():
    collector = Collector(Counting, 1)
    rollout = collector.collect(Scripted([0, 1, 0, 1]), 4)
    shown = [each.given["number"] for each in rollout.observations]
    assert shown == ["10", "11", "22", "23"]
    for observation in rollout.observations:
        number = observation.given["number"]
        assert observation.goal == f"episode goal {number}"
        assert observation.image[0, 0, 0] == int(number), "picture and prompt are of one moment"
    assert rollout.values.tolist() == [10, 11, 22, 23]
    # A terminated episode is worth nothing more.
    assert ends(rollout) == [([0, 1], True, 0), ([2, 3], True, 0)]


class Reusing(Counting):
    """Draws every picture into the same array; every episode starts alike."""

    def __init__(self, last_reward=1.0):
        super().__init__()
        self.picture = np.zeros((2, 2, 3), np.uint8)
        self.last_reward = last_reward

    def _moment(self):
        picture, info = super()._moment()
        self.picture[:] = picture
        return self.picture, info

    def reset(self, *, seed=None, options=None):
        self.shown = 0
        return super().reset(seed=seed)

    def step(self, action):
        picture, reward, terminated, *rest = super().step(action)
        return picture, self.last_reward if terminated else reward, terminated, *rest


def collectors(env):
    yield Collector(env, 1)
    yield GroupCollector(env, 1, 2)


def test_pictures_stay_although_an_environment_reuses_its_array():
    for collector in collectors(Reusing):
        rollout = collector.collect(Scripted([0, 0, 1, 0, 0, 1]), 6)
        shown = [int(each.image[0, 0, 0]) for each in rollout.observations]
        assert shown == [10, 11, 12] * 2


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_reward_that_is_no_number_is_refused(reward):
    for collector in collectors(lambda: Reusing(reward)):
        with pytest.raises(ProtocolError, match=rf"Reusing.* the reward {reward}"):
            collector.collect(Scripted([0, 1, 0, 1]), 4)


def test_a_truncated_episode_is_worth_its_own_last_picture():
    policy = Scripted([0, 0, 0])
    rollout = Collector(limited, 1).collect(policy, 3)
    assert [each.given["number"] for each in rollout.observations] == ["10", "11", "22"]
    assert ends(rollout) == [([0, 1], True, 12), ([2], False, 23)]
    ((final,), (following,)) = policy.asked
    assert final.image[0, 0, 0] == 12
    assert final.goal == "episode goal 12", "bootstrapped under its own prompt"
    assert following.image[0, 0, 0] == 23


def test_episodes_go_on_from_rollout_to_rollout():
    collector = Collector(Counting, 2)
    collector.collect(Scripted([0, 0]), 2)
    rollout = collector.collect(Scripted([0, 1]), 2)
    assert rollout.observations[0].given["number"] == "12"
    assert rollout.logged_metrics()["rollout/episodes"] == 2
    assert rollout.logged_metrics()["rollout/mean_length"] == 4
    assert rollout.logged_metrics()["rollout/mean_return"] == 4


def test_illegal_replies_are_counted_and_penalised_but_not_hidden():
    collector = Collector(Counting, 2, illegal_penalty=0.5)
    rollout = collector.collect(Scripted([None, 0]), 2)
    assert rollout.rewards.tolist() == [1.0] * 4
    assert rollout.training_rewards.tolist() == [0.5, 0.5, 1.0, 1.0]
    assert rollout.logged_metrics()["rollout/illegal_rate"] == 0.5


class Texts(Counting):
    """The same with text actions."""

    action_names = None

    def __init__(self):
        super().__init__()
        self.action_space = spaces.Text(8)

    def _moment(self):
        picture, info = super()._moment()
        return picture, {**info, "admissible_commands": ["on", "end"]}

    def step(self, action):
        return super().step(("on", "end").index(action))


def test_illegal_replies_cost_1_by_default_where_actions_are_text():
    for env, penalty in ((Counting, 0.0), (Texts, 1.0)):
        rollout = Collector(env, 1).collect(Scripted([None, 0]), 2)
        assert rollout.training_rewards.tolist() == [1.0 - penalty, 1.0]
        assert Collector(env, 1, illegal_penalty=0.5).illegal_penalty == 0.5


def seen(observation):
    """What an observation shows and remembers: numbers and actions."""
    past = [(int(moment.image[0, 0, 0]), moment.action) for moment in observation.history]
    return (*past, int(observation.image[0, 0, 0]))


def test_the_last_steps_are_remembered_within_an_episode_alone():
    policy = Scripted([0, 0, 0, 1, 0])
    rollout = Collector(Counting, 1, history_length=2).collect(policy, 5)
    assert [seen(each) for each in rollout.observations] == [
        (10,),
        ((10, "on"), 11),
        ((10, "on"), (11, "on"), 12),
        ((11, "on"), (12, "on"), 13),
        (24,),  # the first prompt of the next episode recalls nothing of the last
    ]


def test_a_truncated_episode_is_bootstrapped_with_its_own_memory():
    policy = Scripted([0, 0, 0])
    rollout = Collector(limited, 1, history_length=2).collect(policy, 3)
    ((final,), (following,)) = policy.asked
    assert seen(final) == ((10, "on"), (11, "on"), 12)
    assert seen(following) == ((22, "on"), 23)
    assert seen(rollout.observations[2]) == (22,)


class Talking(Scripted):
    """Numbers its replies."""

    def act(self, observations, draws=None):
        replies = super().act(observations, draws)
        return [dataclasses.replace(each, text=f"reply {len(self.acted)}") for each in replies]


def said(observation):
    """What an observation remembers of replies, and the numbers that they answered."""
    return [(int(step.asked.image[0, 0, 0]), step.reply) for step in observation.history]


def test_replies_are_remembered_within_an_episode_alone():
    """Also by what a truncated episode is bootstrapped from."""
    policy = Talking([0, 1, 0, 0, 0])
    rollout = Collector(limited, 1, history_length=2).collect(policy, 5)
    # Counts on over episodes: "end" ends the first, a limit of two steps the second.
    assert [said(each) for each in rollout.observations] == [
        [],
        [(10, "reply 1")],
        [],
        [(22, "reply 3")],
        [],
    ]
    final, following = (said(each) for (each,) in policy.asked)
    assert final == [(22, "reply 3"), (23, "reply 4")]
    assert following == [(34, "reply 5")]
    goals = [step.asked.goal for step in rollout.observations[3].history]
    assert goals == ["episode goal 22"], "with the prompt of its own time"


def test_a_history_is_fitted_before_anyone_asks():
    def fit(observation):
        seen.append(len(observation.history))
        return dataclasses.replace(observation, history=observation.history[-1:])

    seen = []
    policy = Talking([0, 0, 0])
    collector = Collector(Counting, 1, history_length=3, fit_history=fit)
    rollout = collector.collect(policy, 3)
    asked = [*(o for (o,) in policy.acted), *policy.asked[0]]
    assert [len(said(each)) for each in asked] == [0, 1, 1, 1]
    assert asked[:3] == rollout.observations, "what was asked is what is learned from"
    assert seen == [1, 2, 2], "once a step, one turn more than was left"


def test_memory_outlasts_a_rollout():
    collector = Collector(Counting, 1, history_length=1)
    collector.collect(Scripted([0]), 1)
    rollout = collector.collect(Scripted([0]), 1)
    assert seen(rollout.observations[0]) == ((10, "on"), 11)


def test_an_expert_corrects_every_reply():
    collector = Collector("gym_cards/NumberLine-v0", 2, correct=True)
    rollout = collector.collect(Scripted([0, 1, 0]), 3)
    assert len(rollout.corrections) == 6
    for each, observation in zip(rollout.corrections, rollout.observations, strict=True):
        assert each.observation is observation
        current, target = (int(value) for value in observation.state.values())
        assert ('"action": "+"' in each.reply) == (current < target)
        assert f"current {current}, target {target}" in each.reply


def test_without_an_expert_nothing_is_corrected():
    with pytest.raises(ProtocolError, match="no `expert\\(\\)`.*imitation_coef"):
        Collector(Counting, 1, correct=True)


def test_card_games_are_told_by_the_formula_of_their_own_picture():
    """Prompts differ from step to step and belong to the picture they come with."""
    collector = Collector("gym_cards/EZPoints-v0", 3, seed=1)
    rollout = collector.collect(Scripted([10, 11, 12, 10, 11, 12]), 6)
    formulas = set()
    for observation in rollout.observations:
        formula = observation.given["current formula"]
        formulas.add(formula)
        ranks = observation.state["cards"].split()
        assert len(ranks) == 2
        # Any cards do: what is compared is the formula below them.
        picture = PointsPicture(2, inline=True)
        picture.deal([Card("H", 5), Card("H", 7)])
        for token in formula:
            picture.append(token)
        assert np.array_equal(observation.image[250:], picture.frame[250:])
    assert formulas == {"", "+", "+*"}
