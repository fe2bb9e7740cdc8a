import dataclasses
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecMonitor
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gym_cards  # noqa: F401
from baselines import training
from baselines.algorithms import build, centre, load
from baselines.config import (
    CONFIGS,
    TUNED,
    DQNConfig,
    MaskablePPOConfig,
    PPOConfig,
    RecurrentPPOConfig,
    from_record,
    tuned,
)
from baselines.player import SB3Player
from baselines.runs import append_score, model_file, read_scores
from baselines.scores import score
from baselines.train import main, parse
from baselines.training import train
from baselines.vec_env import PictureVecEnv
from baselines.view import View
from tests.baselines.conftest import TOY
from vlm_agent.cli.main import main as vlm_agent
from vlm_agent.evaluation.evaluate import evaluate

NUMBER_LINE = "gym_cards/NumberLine-v0"
SMALL = {"features": 32, "picture_size": 40, "num_envs": 4, "progress": False, "device": "cpu"}
PPO = {"rollout_steps": 16, "minibatch_size": 32, "ppo_epochs": 2}


def small(out, env=NUMBER_LINE, kind=PPOConfig, **options):
    common = {**SMALL, **(PPO if issubclass(kind, PPOConfig) else {}), "eval_episodes": 20}
    return kind(env=env, out=str(out), **{**common, **options})


DQN = {
    "kind": DQNConfig,
    "learning_starts": 40,
    "minibatch_size": 16,
    "target_every": 60,
    "gradient_steps": 2,
}
KINDS = {
    "ppo": {"kind": PPOConfig},
    "ppo with text": {"kind": PPOConfig, "text": "given"},
    "recurrent ppo": {"kind": RecurrentPPOConfig, "memory_size": 16},
    "dqn": DQN,
    "maskable ppo": {"kind": MaskablePPOConfig, "text": "given"},
}


@pytest.mark.parametrize("options", [KINDS["ppo"], DQN], ids=["ppo", "dqn"])
def test_it_learns_to_see(tmp_path, options):
    more = {"total_steps": 1000, "learning_rate": 2e-3, "eval_episodes": 100}
    if options["kind"] is PPOConfig:
        more |= {"ppo_epochs": 4}
    result = train(small(tmp_path / "run", TOY, **{**options, **more}))
    assert result.success_rate > 0.9


# Interrupted before the first planned checkpoint, and after it.
@pytest.mark.parametrize(
    ("options", "stop", "kept"),
    [(KINDS["ppo"], 20, 0), *((options, 200, 192) for options in KINDS.values())],
    ids=["ppo at once", *KINDS],
)
def test_a_training_that_goes_on_is_the_one_that_never_stopped(tmp_path, options, stop, kept):
    # 3 rollouts and a checkpoint, then 2 more; the learning rate falls towards the same end.
    whole = small(tmp_path / "whole", total_steps=320, checkpoint_every=192, **options)
    train(whole)
    part = dataclasses.replace(whole, out=str(tmp_path / "part"))
    with pytest.raises(KeyboardInterrupt):
        _train_and_stop(part, stop)
    assert load(model_file(part.directory)).num_timesteps == kept
    train(part, resume=True)
    ours, theirs = (load(model_file(each.directory)) for each in (whole, part))
    assert ours.num_timesteps == theirs.num_timesteps == 320
    for one, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def _train_and_stop(config, steps):
    step = PictureVecEnv.step_wait
    done = 0

    def stopping(self):
        nonlocal done
        done += self.num_envs
        if done > steps + config.centre_steps * config.num_envs:
            raise KeyboardInterrupt
        return step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureVecEnv, "step_wait", stopping)
        train(config)


def test_environments_without_snapshots_start_new_episodes(tmp_path):
    config = small(tmp_path / "run", TOY, total_steps=64, checkpoint_every=64)
    train(config)
    train(dataclasses.replace(config, total_steps=128), resume=True)
    assert load(model_file(config.directory)).num_timesteps == 128
    assert steps_of_scores(config) == [64, 128]


def steps_of_scores(config):
    lines = (config.directory / "scores.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def _train_and_stop_in(config, function, steps):
    whole = getattr(training, function)

    def stopping(*args, **options):
        model = next(each for each in args if isinstance(each, BaseAlgorithm))
        if model.num_timesteps == steps:
            raise KeyboardInterrupt
        return whole(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, function, stopping)
        train(config)


def test_what_came_after_the_checkpoint_is_logged_once(tmp_path):
    # Evaluations every 64 steps, checkpoints after 128 and 256.
    config = small(tmp_path / "run", total_steps=320, eval_every=64, checkpoint_every=100)
    with pytest.raises(KeyboardInterrupt):
        _train_and_stop_in(config, "score", 256)
    assert steps_of_scores(config) == [64, 128, 192]
    time.sleep(1)  # event files are read by name, which begins with the second
    train(config, resume=True)
    steps = [64, 128, 192, 256, 320]
    assert steps_of_scores(config) == steps
    events = EventAccumulator(str(config.directory / "tensorboard"))
    events.Reload()
    for name in ("eval/success_rate", "rollout/ep_rew_mean"):
        assert [event.step for event in events.Scalars(name)] == steps


def test_a_score_that_a_crash_cut_short_is_dropped(tmp_path):
    config = small(tmp_path / "run", total_steps=64)
    train(config)
    (score,) = read_scores(config.directory)
    with (config.directory / "scores.jsonl").open("a") as file:
        file.write('{"step": 64, "epis')
    with pytest.warns(UserWarning, match="cut short"):
        train(config, resume=True)
    assert read_scores(config.directory) == [score]
    append_score(config.directory, {"step": 128})
    assert steps_of_scores(config) == [64, 128]


def test_a_run_is_not_shortened(tmp_path):
    config = small(tmp_path / "run", total_steps=40)
    train(config)  # one rollout, of 64 steps
    train(config, resume=True)
    assert steps_of_scores(config) == [64]
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="total_steps=50: expected at least 64, for which"):
        train(dataclasses.replace(config, total_steps=50), resume=True)
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_run_without_a_checkpoint_begins_again_unless_it_would_lose_results(tmp_path):
    whole = small(tmp_path / "whole", total_steps=64)
    train(whole)
    part = dataclasses.replace(whole, out=str(tmp_path / "part"))
    with pytest.raises(KeyboardInterrupt):
        _train_and_stop_in(part, "save_checkpoint", 0)
    assert (part.directory / "baseline.json").is_file()
    assert not (part.directory / "checkpoint").exists()
    train(part, resume=True)
    ours, theirs = (load(model_file(each.directory)) for each in (whole, part))
    for one, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    shutil.rmtree(part.directory / "checkpoint")
    with pytest.raises(FileNotFoundError, match=r"model.zip and scores.jsonl but no checkpoint"):
        train(part, resume=True)
    shutil.rmtree(part.directory)
    with pytest.raises(FileNotFoundError, match=r"holds no baseline.json"):
        train(part, resume=True)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_vlm_agent_plays_what_was_saved(tmp_path, capsys, options):
    run, records = tmp_path / "run", tmp_path / "records.jsonl"
    env = "gym_cards/EZPoints-v0"
    config = small(run, env, total_steps=64, **options)
    result = train(config)
    words = ["eval", "--policy", f"sb3:{run}", "--env", env, "--episodes", "20", "--num-envs", "7"]
    assert vlm_agent([*words, "--json", str(records)]) == 0
    (record,) = [json.loads(line) for line in records.read_text().splitlines()]
    assert record["policy"] == f"sb3:{run}"
    assert record["illegal_rate"] == 0
    # The same episodes give the same numbers, played by Stable-Baselines3 or by vlm-agent.
    assert record["success_rate"] == result.success_rate
    assert record["mean_return"] == pytest.approx(result.mean_return)
    assert record["mean_length"] == pytest.approx(result.mean_length)


def test_moves_that_are_refused_are_never_played(tmp_path):
    """EZPoints refuses numbers that are on no card: 4 or 5 of 13 actions are allowed at first."""
    env = "gym_cards/EZPoints-v0"
    config = small(tmp_path / "run", env, MaskablePPOConfig, total_steps=64)
    train(config)
    player = SB3Player.load(config.directory)
    refused = []

    def look(step):
        refused.append(step.observation.mask[step.action] is False)

    evaluate(player, env, episodes=20, on_step=look)
    assert len(refused) > 20
    assert not any(refused)
    evaluate("random", env, episodes=20, on_step=look)
    assert any(refused)


def test_a_memory_lasts_an_episode():
    """A recurrent network plays an episode the same whatever is played in parallel."""
    env = PictureVecEnv.make(TOY, 2, View((40, 40)))
    model = build(small("-", TOY, RecurrentPPOConfig, memory_size=16), VecMonitor(env))
    with torch.no_grad():
        for weights in model.policy.parameters():
            weights.mul_(3)
    player = SB3Player(model)
    alone = evaluate(player, TOY, episodes=12, num_envs=1)
    for num_envs in (5, 12, 12):
        assert evaluate(player, TOY, episodes=12, num_envs=num_envs) == alone
        assert len(player._memories) <= num_envs


def test_the_mean_picture_is_subtracted():
    env = PictureVecEnv.make(NUMBER_LINE, 4, View((40, 40)))
    config = small("-")
    model = build(config, env)
    env.seed(0)
    centre(model, env, 16)
    features = model.policy.features_extractor
    env.seed(0)
    pictures = torch.as_tensor(env.reset()).float() / 255
    assert (pictures - features.mean).abs().mean() < pictures.abs().mean() / 4
    assert 0 < features.scale < 1


def test_scores_are_over_the_seeds_of_every_player():
    env = PictureVecEnv.make(NUMBER_LINE, 2, View((40, 40)))
    model = build(small("-"), env)
    config = small("-", centre_steps=0)
    result = score(model, config, View((40, 40)), episodes=260)
    assert result.episodes == 260
    record = evaluate(SB3Player(model), NUMBER_LINE, episodes=260)
    assert result.success_rate == record.success_rate
    assert result.success_interval == record.success_interval


@pytest.mark.parametrize("algorithm", CONFIGS)
@pytest.mark.parametrize("game", TUNED)
def test_tuned_options_are_the_commands_defaults(algorithm, game):
    env = f"gym_cards/{game}Something-v0"
    config, resumed = parse(["--algorithm", algorithm, "--env", env, "--seed", "3"])
    assert not resumed
    assert type(config) is CONFIGS[algorithm]
    assert config == CONFIGS[algorithm](env=env, seed=3, **tuned(env, algorithm))
    assert config.picture_size == TUNED[game]["picture_size"]
    assert config.directory.name == f"{game}Something-{algorithm}-seed3"
    assert from_record(json.loads(json.dumps(config.record()))) == config


def test_the_command_reports_mistakes_in_a_line(tmp_path, capsys):
    def mistake(*words):
        status = main(list(words))
        return status, capsys.readouterr().err

    run = str(tmp_path / "run")
    assert "run holds no baseline.json: expected" in mistake("--resume", run)[1]
    assert "--seed with --resume: a run continues" in mistake("--resume", run, "--seed", "1")[1]
    assert "expected one of ppo" in mistake("--env", NUMBER_LINE, "--algorithm", "a2c")[1]
    assert "no environment" in mistake("--env", "gym_cards/Chess-v0", "--out", run)[1]
    words = ["--env", NUMBER_LINE, "--num-envs", "3", "--out", run]
    with pytest.raises(SystemExit):
        main(words)
    assert "expected a divisor" in capsys.readouterr().err
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    status, error = mistake("--env", NUMBER_LINE, "--out", run)
    assert status == 2
    assert "is not empty" in error
    assert vlm_agent(["eval", "--policy", f"sb3:{run}", "--env", NUMBER_LINE]) == 1
    assert "no model at" in capsys.readouterr().err


def test_a_damaged_run_is_reported_in_a_line(tmp_path, capsys):
    run = tmp_path / "run"
    train(small(run, total_steps=32, **DQN))

    def check(file, content):
        whole = file.read_bytes()
        file.write_bytes(content(whole))
        assert main(["--resume", str(run)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"baselines: {file}")
        assert "start a new run" in line
        file.write_bytes(whole)

    for name in ("state.pkl", "replay.pkl.gz", "model.zip"):
        check(run / "checkpoint" / name, lambda whole: whole[: len(whole) // 2])
        check(run / "checkpoint" / name, lambda whole: b"")
    check(run / "baseline.json", lambda whole: whole[:-10])
    check(run / "baseline.json", lambda whole: b"[]")
    check(run / "baseline.json", lambda whole: b'{"algorithm": "ppo"}')
    check(run / "baseline.json", lambda whole: whole.replace(b'"cpu"', b'"cuda:99"'))
    assert main(["--resume", str(run)]) == 0
    file = run / "baseline.json"  # of a run that was trained where there is a GPU
    file.write_bytes(file.read_bytes().replace(b'"cpu"', b'"cuda:99"'))
    assert main(["--resume", str(run), "--device", "cpu"]) == 0
    assert b'"cpu"' in file.read_bytes()


@pytest.mark.parametrize(
    "device",
    [
        *("foo", "cuda:99", "meta", ""),
        pytest.param(
            "cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
        ),
    ],
)
def test_a_device_that_is_not_there_is_refused(tmp_path, capsys, device):
    with pytest.raises(SystemExit) as ended:
        main(["--env", NUMBER_LINE, "--out", str(tmp_path / "run"), f"--device={device}"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"device={device!r}: " in line
    assert "expected auto, cpu, or" in line
    assert not (tmp_path / "run").exists()


def test_other_models_are_refused(tmp_path):
    import stable_baselines3

    stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8).save(
        tmp_path / "cart"
    )
    with pytest.raises(ValueError, match="expected one picture in colour"):
        SB3Player.load(tmp_path / "cart")
    env = PictureVecEnv.make(NUMBER_LINE, 1, View((40, 40)))
    player = SB3Player(build(small("-", num_envs=1, rollout_steps=32), env))
    with pytest.raises(ValueError, match="the model has 2 actions"):
        evaluate(player, "gym_cards/EZPoints-v0", episodes=1)
    assert np.isfinite(evaluate(player, NUMBER_LINE, episodes=2).mean_return)


def test_the_code_in_the_document(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "evaluation" / "baselines.md").read_text(
        encoding="utf-8"
    )
    train(small("runs/numberline", total_steps=64))
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/evaluation/baselines.md", "exec"), {})
    assert "success_rate" in capsys.readouterr().out
