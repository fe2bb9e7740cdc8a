import json
from itertools import groupby

import numpy as np
import pytest
from PIL import Image

from tests.support.counting import Counting, Scripted, limited, limited_restarting
from vlm_agent.cli.main import main
from vlm_agent.core.environments import make_env
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.data.rollout_recorder import RolloutRecorder
from vlm_agent.data.trajectory_format import EPISODES_FILE, TrajectoryError
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.data.trajectory_writer import EpisodeRecorder, TrajectoryWriter
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.recorder import EvaluationRecorder
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector
from vlm_agent.training.algorithms.ppo import PPOAlgorithm
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import train_ppo

NUMBER_LINE = "gym_cards/NumberLine-v0"
POINTS = "gym_cards/Points24-v0"


def recorder(folder, policy=None, **changes):
    about = {"name": "me", "env": NUMBER_LINE, "kwargs": {}, "purpose": "evaluation", **changes}
    return EpisodeRecorder(TrajectoryWriter(folder), policy, **about)


def picture(folder, step):
    return np.asarray(Image.open(folder / step["pictures"][-1]))


def test_an_evaluation_is_recorded_as_it_was_played(make_policy, tmp_path):
    policy = make_policy()
    steps = []
    record = EvaluationRecorder(recorder(tmp_path, policy), episodes=3)

    def on_step(step):
        steps.append(step)
        record(step)

    evaluate(policy, POINTS, episodes=4, seed=5, num_envs=3, on_step=on_step)
    episodes = {each["number"]: each for each in read_trajectories(tmp_path)}
    assert sorted(episodes) == [0, 1, 2]
    for number, episode in episodes.items():
        played = [step for step in steps if step.episode == number]
        assert episode["seed"] == episode_seeds("evaluation", 5, 4)[number]
        assert episode["success"] == played[-1].is_success
        assert episode["total_reward"] == sum(step.reward for step in played)
        for written, step in zip(episode["steps"], played, strict=True):
            assert (picture(tmp_path, written) == step.observation.image).all()
            assert written["reply"] == step.reply.text == "".join(written["token_texts"])
            assert tuple(written["tokens"]) == step.reply.tokens
            assert (
                len(written["token_texts"]) == len(written["log_probs"]) == len(step.reply.tokens)
            )
            assert written["action_token"] == step.reply.action_token
            assert written["parsed_action"] == step.reply.action
            assert written["played_action"] == step.action
            assert written["value"] == step.reply.value
            assert written["state"] == dict(step.observation.state)
            assert written["prompt"].startswith(step.observation.task.description)
            assert written["advantage"] is None


def test_a_recorded_seed_plays_the_episode_again(tmp_path):
    record = EvaluationRecorder(recorder(tmp_path))
    evaluate("random", NUMBER_LINE, episodes=3, on_step=record)
    for episode in read_trajectories(tmp_path):
        env = make_env(episode["env"], **episode["kwargs"])
        now = observe(task_of(env), *env.reset(seed=episode["seed"]))
        for step in episode["steps"]:
            assert (picture(tmp_path, step) == now.image).all()
            image, reward, *_, info = env.step(step["played_action"])
            assert reward == step["reward"]
            now = observe(task_of(env), image, info)


def test_a_greedy_policy_has_no_probabilities_and_a_player_without_language_no_tokens(
    make_policy, tmp_path
):
    greedy = make_policy(temperature=0)
    for name, policy in (("greedy", greedy), ("random", "random")):
        record = EvaluationRecorder(recorder(tmp_path / name, policy))
        evaluate(policy, NUMBER_LINE, episodes=1, on_step=record)
        (episode,) = read_trajectories(tmp_path / name)
        assert {step["log_probs"] for step in episode["steps"]} == {None}
        assert {bool(step["tokens"]) for step in episode["steps"]} == {name == "greedy"}
    assert {step["value"] for step in episode["steps"]} == {None}


def test_texts_of_tokens_that_share_a_character(make_policy):
    encoder = make_policy().encoder
    for text in ("a⟨ß⟩ 你好 🂡.", "", "\N{ZERO WIDTH JOINER}é"):
        tokens = encoder.encode_reply(text)
        texts = encoder.token_texts(tokens)
        assert len(texts) == len(tokens)
        assert "".join(texts) == encoder.decode(tokens)
        assert texts[-1] == ""


@pytest.mark.parametrize("each", [1, 2, 99])
def test_rollouts_are_recorded_across_their_borders(each, tmp_path):
    """Environments show their number of steps, which identifies every recorded step."""
    policy = Scripted([0] * 20)
    collector = Collector(limited, 3, illegal_penalty=1.0)
    record = RolloutRecorder(recorder(tmp_path, policy, purpose="training"), each)
    known = {}
    for start in (0, 15, 30):
        rollout = collector.collect(policy, 5)
        advantages = PPOAlgorithm().advantages(rollout, PPOConfig("", "", "")).tolist()
        record.add(rollout, advantages, start)
        for observation, advantage in zip(rollout.observations, advantages, strict=True):
            known.setdefault(observation.state["number"], set()).add(advantage)
    episodes = list(read_trajectories(tmp_path))
    # 5 steps a rollout, 2 an episode: in each, 3 episodes of each environment begin or go on.
    began = [episode["trained_steps"] for episode in episodes]
    for start, group in groupby(sorted(began)):
        assert len(list(group)) <= each
        assert start in (0, 15, 30)
    assert len(episodes) == {1: 3, 2: 6, 99: 21}[each]
    assert [episode["number"] for episode in episodes] == list(range(len(episodes)))
    for episode in episodes:
        first, second = episode["steps"]
        assert int(second["state"]["number"]) == int(first["state"]["number"]) + 1
        assert episode["success"]
        for step in (first, second):
            assert step["reward"] == 1.0
            assert step["penalty"] == 0.0
            assert step["advantage"] in known[step["state"]["number"]]


def test_groups_are_recorded_with_their_seeds(tmp_path):
    policy = Scripted([None] * 8)
    collector = GroupCollector(limited_restarting, 2, 2, illegal_penalty=0.5)
    record = RolloutRecorder(recorder(tmp_path, policy, critic=False), 3)
    rollout = collector.collect(policy, 4)
    record.add(rollout, [0.0] * len(rollout), 0)
    episodes = list(read_trajectories(tmp_path))
    assert len(episodes) == 3
    assert episodes[0]["seed"] == episodes[1]["seed"] != episodes[2]["seed"]
    assert [episode["group"] for episode in episodes] == [0, 0, 1]
    steps = [step for episode in episodes for step in episode["steps"]]
    assert {(s["reward"], s["penalty"], s["parsed_action"], s["value"]) for s in steps} == {
        (1.0, 0.5, None, None)
    }


def test_equal_pictures_are_one_file(tmp_path):
    writer = TrajectoryWriter(tmp_path)
    black, wide = np.zeros((4, 9, 3), np.uint8), np.zeros((9, 4, 3), np.uint8)
    names = {writer.save_picture(image) for image in (black, black.copy(), wide)}
    assert len(names) == 2
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == sorted(
        name.removeprefix("pictures/") for name in names
    )


def test_what_a_crash_leaves_is_read_and_written_on(tmp_path):
    for _ in range(2):
        record = EvaluationRecorder(recorder(tmp_path))
        evaluate("random", NUMBER_LINE, episodes=2, on_step=record)
        path = tmp_path / EPISODES_FILE
        path.write_bytes(path.read_bytes()[:-40])
    record = EvaluationRecorder(recorder(tmp_path))
    evaluate("random", NUMBER_LINE, episodes=1, on_step=record)
    with pytest.warns(UserWarning, match="cut short"):
        assert len(list(read_trajectories(tmp_path))) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"format": "other"}', "is not a recorded episode"),
        ("[]", "is not a recorded episode"),
        ('{"format": "vlm-agent-episode", "version": 9}', "has version 9, expected 1"),
        ('{"format": "vlm-agent-episode", "version": 1, "steps": [{}]}', "lacks env, group"),
    ],
)
def test_another_format_is_refused(line, message, tmp_path):
    (tmp_path / EPISODES_FILE).write_text(line + "\n")
    with pytest.raises(TrajectoryError, match=message):
        list(read_trajectories(tmp_path))
    with pytest.raises(FileNotFoundError, match="record episodes with"):
        next(read_trajectories(tmp_path / "nowhere"))


def test_training_records_and_the_command_line_too(make_policy, tmp_path):
    make_policy().save(tmp_path / "start")
    config = PPOConfig(
        NUMBER_LINE, str(tmp_path / "start"), str(tmp_path / "run"), total_steps=16, num_envs=2,
        rollout_steps=4, ppo_epochs=1, minibatch_size=8, micro_batch_size=8, record_episodes=1,
        env_kwargs={"max_position": 3},
    )  # fmt: skip
    policy = train_ppo(config)
    assert isinstance(policy, VLMPolicy)
    for episode in read_trajectories(tmp_path / "run"):
        assert episode["kwargs"] == {"max_position": 3}
        assert episode["purpose"] == "training"
        assert {
            step["value"] is None or step["advantage"] is None for step in episode["steps"]
        } == {False}
    train_ppo(PPOConfig(**{**vars(config), "overwrite": True, "record_episodes": 0}))
    assert not (tmp_path / "run" / "trajectories").exists()
    words = ["eval", "--policy", "random", "expert", "--env", NUMBER_LINE, "--episodes", "3"]
    words += ["--record", str(tmp_path / "eval"), "--record-episodes", "2"]
    assert main(words) == 0
    lines = (tmp_path / "eval" / EPISODES_FILE).read_text().splitlines()
    assert [(json.loads(line)["policy"]) for line in lines] == ["random"] * 2 + ["expert"] * 2


def test_an_episode_that_ends_by_itself(tmp_path):
    collector = Collector(Counting, 1)
    policy = Scripted([1, 0, 1])
    rollout = collector.collect(policy, 3)
    assert [(s.done, s.is_success, s.steps) for s in rollout.segments] == [
        (True, True, [0]),
        (True, True, [1, 2]),
    ]
