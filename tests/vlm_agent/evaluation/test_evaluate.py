import json
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import binomtest

import vlm_agent
from gym_cards.number_line.env import NumberLineEnv
from vlm_agent.core.environments import make_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.parsing import read_reply
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import play
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.evaluation.summary import wilson_interval
from vlm_agent.evaluation.tables import markdown_table, text_table
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.perception import Perception

NUMBER_LINE = "gym_cards/NumberLine-v0"
FIELDS = [
    "env", "policy", "episodes", "success_rate", "success_interval", "mean_return",
    "mean_length", "illegal_rate", "perception", "distinct_thoughts", "distinct_word_pairs",
    "seed", "env_kwargs", "by_task_type", "unaided_success_rate", "regret_per_step",
    "regret_per_episode", "tokens_per_step", "prompt_tokens_per_step", "cost", "seconds_per_step",
]  # fmt: skip


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 7), (86, 200), (1, 1000)])
def test_wilson_interval(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high))


def test_the_record_has_its_fields():
    record = evaluate("expert", NUMBER_LINE, episodes=20).record()
    assert list(record) == FIELDS
    assert json.loads(json.dumps(record)) == record
    assert record["success_rate"] == 1.0
    assert record["perception"] == 1.0
    assert record["illegal_rate"] == 0.0
    assert record["policy"] == "expert"


@pytest.mark.parametrize("name", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_the_same_call_gives_the_same_record(name):
    env = f"gym_cards/{name}-v0"
    first = evaluate("random", env, episodes=30, seed=4)
    assert evaluate("random", env, episodes=30, seed=4) == first
    assert evaluate("random", env, episodes=30, seed=5) != first
    assert first.perception is None


def right_or_none(observation):
    """Plays optimally on the right half of the line, and no action on the left."""
    current, target = (int(value) for value in observation.state.values())
    return None if current < 3 else int(current < target)


def test_neither_results_nor_random_moves_depend_on_how_many_play_side_by_side():
    for policy in (right_or_none, "random"):
        records = [
            evaluate(policy, NUMBER_LINE, episodes=41, num_envs=n, regret=True) for n in (1, 7, 64)
        ]
        assert records[0] == records[1] == records[2]
        assert (0 < records[0].illegal_rate < 1) == (policy is right_or_none)


def test_successes_with_random_moves_are_told_from_those_without():
    """On the right half of the line nothing is random; on the left the target may be reached."""
    played = play(right_or_none, NUMBER_LINE, episodes=200, num_envs=8)
    wins, helped, aided = set(), set(), set()
    for step in played:
        if step.reply.action is None:
            helped.add(step.episode)
        if step.last and step.is_success:
            wins.add(step.episode)
            aided |= helped & {step.episode}
    record = evaluate(right_or_none, NUMBER_LINE, episodes=200)
    assert record.success_rate == len(wins) / 200
    assert record.unaided_success_rate == len(wins - aided) / 200
    assert 20 < len(aided) < len(wins)


def test_what_a_model_samples_does_not_depend_on_how_many_play_side_by_side(make_policy):
    records = [evaluate(make_policy(), NUMBER_LINE, episodes=6, num_envs=n) for n in (2, 5)]
    assert records[0] == records[1] != evaluate(make_policy(), NUMBER_LINE, episodes=6, seed=1)


def test_random_moves_do_not_follow_from_what_was_dealt():
    """Random actions must not follow from the episode's seed, which also seeds the environment."""
    moves = {}
    for step in play(lambda observation: None, NUMBER_LINE, episodes=1200, num_envs=64):
        if step.index == 0:
            moves.setdefault(step.observation.state["target number"], []).append(step.action)
    assert len(moves) == 6
    for target, actions in moves.items():
        # Within five standard deviations of a fair coin, for each target.
        assert abs(np.mean(actions) - 0.5) < 5 * 0.5 / len(actions) ** 0.5, target


def test_every_episode_is_played_once_from_its_own_seed():
    firsts, ends = {}, []
    for step in play("random", NUMBER_LINE, episodes=23, num_envs=5, seed=9):
        if step.index == 0:
            firsts[step.episode] = step.observation.state
        if step.last:
            ends.append(step.episode)
    assert sorted(ends) == list(range(23))
    env = make_env(NUMBER_LINE)
    for episode, seed in enumerate(episode_seeds("evaluation", 9, 23)):
        assert observe(task_of(env), *env.reset(seed=seed)).state == firsts[episode]


def test_a_function_may_answer_with_an_index_a_reply_or_nothing():
    def writes(observation):
        current, target = (int(value) for value in observation.state.values())
        sign = "+" if current < target else "-"
        return f'{{"current number": "{current}", "target number": "x", "action": "{sign}"}}'

    written = evaluate(writes, NUMBER_LINE, episodes=20)
    assert written.success_rate == 1.0
    assert written.perception == 0.5
    assert written.policy == "writes"
    nothing = evaluate(lambda observation: None, NUMBER_LINE, episodes=20, name="mute")
    assert nothing.illegal_rate == 1.0
    assert nothing.policy == "mute"
    with pytest.raises(ValueError, match="played action 5.*0 to 1"):
        evaluate(lambda observation: 5, NUMBER_LINE, episodes=1)


def test_environments_are_closed_if_a_later_one_cannot_be_made():
    made, closed = [], []

    class Counted(gym.Wrapper):
        def close(self):
            closed.append(self)
            super().close()

    def limited():
        if len(made) == 4:  # with the one that is looked at before
            raise RuntimeError("no more")
        made.append(Counted(make_env(NUMBER_LINE)))
        return made[-1]

    with pytest.raises(RuntimeError, match="no more"):
        evaluate("random", limited, episodes=8, num_envs=8)
    assert {id(env) for env in closed} == {id(env) for env in made}


def test_success_is_that_of_the_last_step():
    """Points24 rewards only the end; NumberLine's sum of rewards may be negative before it."""
    total, ends = {}, {}
    for step in play("random", NUMBER_LINE, episodes=50):
        total[step.episode] = total.get(step.episode, 0.0) + step.reward
        if step.last:
            ends[step.episode] = step.is_success
    assert ends == {episode: value > 0 for episode, value in total.items()}
    assert len(set(ends.values())) == 2


def test_perception_counts_what_the_prompt_does_not_tell():
    state = {"cards": "9 A K 10", "formula": "(9"}
    observation = Observation(
        np.zeros((2, 2, 3), np.uint8), Task("", ("1",)), ("1",), {"formula": "(9"}, None, state
    )
    perception = Perception()
    assert perception.share is None
    for text in (
        '{"cards": "9 A K 10", "formula": "wrong"}',
        '{"cards": [9, A, K, 9]}',
        "nonsense",
    ):
        perception.add(read_reply(text, ("1",)), observation)
    assert perception.share == pytest.approx(1 / 3)


def test_the_diversity_of_thoughts_is_measured():
    def says(thought):
        return lambda observation: build_reply(observation, 0, thought(observation))

    same = evaluate(says(lambda _: "I go down"), NUMBER_LINE, episodes=4)
    steps = 4 * same.mean_length
    assert same.distinct_thoughts == 1 / steps
    assert same.distinct_word_pairs == 2 / (2 * steps)
    by_state = says(lambda o: f"from {o.state['current number']} down")
    assert evaluate(by_state, NUMBER_LINE, episodes=4).distinct_thoughts > 1 / steps
    silent = evaluate("random", NUMBER_LINE, episodes=4)
    assert silent.distinct_thoughts is silent.distinct_word_pairs is None


def test_training_and_evaluation_never_share_an_episode(monkeypatch):
    seeds = {"training": set(), "evaluation": set()}
    reset = NumberLineEnv.reset

    def noted(self, *, seed=None, options=None):
        if seed is not None:
            seeds[purpose].add(seed)
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(NumberLineEnv, "reset", noted)
    purpose = "training"
    Demonstrator(NUMBER_LINE, num_envs=50).close()
    Collector(NUMBER_LINE, 50).close()
    purpose = "evaluation"
    evaluate("random", NUMBER_LINE, episodes=50)
    assert len(seeds["training"]) == len(seeds["evaluation"]) == 50
    assert not seeds["training"] & seeds["evaluation"]
    assert all(seed % 2 == 0 for seed in seeds["training"])


class Shelves(gym.Env):
    """Text actions, of which the first is right."""

    task_description = "Choose."
    action_names = None

    def __init__(self):
        self.observation_space = gym.spaces.Box(0, 255, (2, 2, 3), np.uint8)
        self.action_space = gym.spaces.Text(30, charset="abcdefghijklmnopqrstuvwxyz 0123456789")

    def _moment(self, won):
        commands = [f"go to shelf {n}" for n in self.np_random.permutation(14)[:5]]
        self.right = commands[0]
        info = {"admissible_commands": commands, "state": {}, "is_success": won, "task": "shelf"}
        return np.zeros((2, 2, 3), np.uint8), info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._moment(False)

    def step(self, action):
        won = action == self.right
        return (*self._moment(won)[:1], float(won), True, False, self._moment(won)[1])


def test_text_actions_are_played_as_text():
    assert evaluate(lambda observation: 0, Shelves, episodes=20).success_rate == 1.0
    assert evaluate(lambda observation: 1, Shelves, episodes=20).success_rate == 0.0

    def writes(observation):
        return f'{{"action": "{observation.actions[0]}"}}'

    assert evaluate(writes, Shelves, episodes=20).success_rate == 1.0

    class First:
        def act(self, observations, draws):
            return [Reply("", 0, (1,), 0, (-1.0,)) for _ in observations]

        def values(self, observations):
            return [0.0 for _ in observations]

    rollout = Collector(Shelves, 3).collect(First(), 4)
    assert rollout.rewards.tolist() == [1.0] * 12
    assert rollout.logged_metrics()["rollout/success_rate"] == 1.0


class Listed(Shelves):
    """Seven games of two types, of which the first four are lost."""

    game_names = tuple(f"game {n}" for n in range(7))
    played: ClassVar[list[int]] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = 0 if options is None else options["game"]
        if options is not None:  # else it is looked at
            self.played.append(self.number)
        picture, info = self._moment(False)
        return picture, {**info, "task_type": "easy" if self.number > 3 else "hard"}

    def step(self, action):
        picture, info = self._moment(self.number > 3)
        return picture, 0.0, True, False, info


def test_every_game_of_a_list_is_played_exactly_once(tmp_path):
    Listed.played = []
    found = evaluate("random", Listed, all_games=True, num_envs=3, episodes=2)
    assert sorted(Listed.played) == [*range(7)]
    assert found.episodes == 7
    assert found.success_rate == pytest.approx(3 / 7)
    hard, easy = found.by_task_type["hard"], found.by_task_type["easy"]
    assert (hard.episodes, hard.success_rate) == (4, 0.0)
    assert (easy.episodes, easy.success_rate, easy.mean_length) == (3, 1.0, 1.0)
    assert easy.success_interval == wilson_interval(3, 3)
    assert Evaluation.of(json.loads(json.dumps(found.record()))) == found
    assert [line.split()[0] for line in text_table([found]).splitlines()[-2:]] == ["easy", "hard"]
    assert "| easy | 100.0% [43.9%, 100.0%] of 3, 1.0 steps |" in markdown_table([found])
    # An interrupted call continues with the games that are left.
    Listed.played, stopped = [], tmp_path / "progress"

    def stop(step):
        if step.episode == 4:
            raise KeyboardInterrupt

    arguments = {"all_games": True, "num_envs": 1, "progress": stopped}
    with pytest.raises(KeyboardInterrupt):
        evaluate("random", Listed, on_step=stop, **arguments)
    Listed.played.clear()
    assert evaluate("random", Listed, **arguments).record() == {
        **found.record(),
        "seconds_per_step": pytest.approx(0, abs=1),
    }
    assert Listed.played == [4, 5, 6]
    with pytest.raises(ValueError, match="does not list its games"):
        evaluate("random", NUMBER_LINE, all_games=True)


def test_an_environment_must_say_whether_it_is_a_success():
    class Silent(Shelves):
        def _moment(self, won):
            picture, info = super()._moment(won)
            del info["is_success"]
            return picture, info

    with pytest.raises(ProtocolError, match="is_success"):
        evaluate("random", Silent, episodes=1)


def test_mistakes_are_clear_errors():
    with pytest.raises(ValueError, match="unknown policy 'exprt'"):
        evaluate("exprt", NUMBER_LINE, episodes=1)
    with pytest.raises(ValueError, match="episodes=0"):
        evaluate("random", NUMBER_LINE, episodes=0)


def test_public_names_exist():
    for name in vlm_agent.__all__:
        assert getattr(vlm_agent, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vlm_agent.nothing  # noqa: B018
