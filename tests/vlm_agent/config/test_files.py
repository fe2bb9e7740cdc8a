import dataclasses
import json
import re

import pytest
import yaml

from vlm_agent.cli.main import main
from vlm_agent.cli.train import parse_training
from vlm_agent.config.files import load_config, packaged_configs, read_options
from vlm_agent.config.sft import SFTConfig
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.saving.run import Run

KINDS = {"sft": SFTConfig, "ppo": PPOConfig}
GIVEN = {"env": "ns/Env-v0", "model": "start", "out": "out"}


@pytest.mark.parametrize("name", packaged_configs())
def test_every_packaged_configuration_is_read(name):
    for section, kind in KINDS.items():
        options = read_options(kind, name, section)
        config = kind(**{**GIVEN, **options})
        for key, value in options.items():
            assert getattr(config, key) == value


def test_every_task_is_ready_to_run():
    tasks = set(packaged_configs()) - {"paper", "tiny"}
    assert {"numberline", "ezpoints", "points24", "blackjack", "alfworld"} < tasks
    for task in tasks:
        sft, ppo = (load_config(kind, task, section) for section, kind in KINDS.items())
        assert ppo.model == sft.out
        assert ppo.env == sft.env
        assert (sft.model == "tiny") == task.endswith("-tiny")
        assert sft.lora == ppo.lora == (sft.model != "tiny")


def write(path, text):
    path.write_text(text)
    return str(path)


def test_the_command_line_goes_before_the_file_and_the_file_before_defaults(tmp_path):
    path = write(tmp_path / "a.yaml", "env: a/A-v0\nout: x\nseed: 3\nlearning_rate: 1e-4\n")
    words = ["--config", path, "--seed", "4", "--model", "m"]
    config = parse_training(PPOConfig, "ppo", words)
    assert (config.env, config.model, config.seed) == ("a/A-v0", "m", 4)
    assert config.learning_rate == 1e-4
    assert config.ppo_epochs == PPOConfig(**GIVEN).ppo_epochs


def test_later_files_go_before_earlier_ones(tmp_path):
    path = write(tmp_path / "a.yaml", "gamma: 0.5\nseed: 3\n")
    words = ["--config", "points24", f"--config={path}", "--env", "e"]
    config = parse_training(PPOConfig, "ppo", words)
    assert (config.env, config.gamma, config.seed, config.lora) == ("e", 0.5, 3, True)


def test_a_section_that_no_recipe_has_is_refused():
    """Or a recipe with options of its own would be read without those of the section."""
    with pytest.raises(ValueError, match="section='train': expected one of"):
        load_config(PPOConfig, "numberline", "train")


def test_what_a_recipe_says_of_a_critic_is_left_out_without_one_and_said(capsys):
    words = ["--config", "numberline-tiny", "--algorithm", "grpo"]
    config = parse_training(PPOConfig, "ppo", words)
    assert config.stop_value_gradient is None
    assert config.learning_rate == 1e-4, "the recipe goes before the paper"
    assert "stop_value_gradient of the recipe is not used" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="stop_value_gradient is not used"):
        load_config(PPOConfig, "numberline-tiny", "ppo", algorithm="grpo")
    with pytest.raises(SystemExit):
        parse_training(PPOConfig, "ppo", [*words, "--value-coef", "1"])
    assert "value_coef=1.0 with algorithm='grpo'" in capsys.readouterr().err


@pytest.mark.parametrize("command", KINDS)
def test_the_adapter_of_a_recipe_may_be_turned_off(tmp_path, capsys, command):
    path = write(tmp_path / "a.yaml", "extends: numberline\nlora_rank: 8\nlora_parts: [vision]\n")
    words = ["--config", path, "--no-lora"]
    config = parse_training(KINDS[command], command, words)
    assert (config.lora, config.lora_rank) == (False, 128)
    said = capsys.readouterr().err
    assert "lora_rank of the recipe is not used" in said
    assert "lora_parts of the recipe is not used" in said
    assert ("update_dropout of the recipe is not used" in said) == (command == "ppo")
    assert "lora_dropout" not in said, "0.05 is the default"
    with pytest.raises(SystemExit):
        parse_training(KINDS[command], command, [*words, "--lora-alpha", "16"])
    assert "lora_alpha=16 without lora" in capsys.readouterr().err


def test_a_recipe_that_forgets_lora_is_refused(tmp_path, capsys):
    path = write(tmp_path / "a.yaml", "lora_rank: 8\n")
    with pytest.raises(SystemExit):
        parse_training(SFTConfig, "sft", ["--config", path, "--env", "e", "--out", "o"])
    assert "lora_rank=8 without lora: all weights are trained" in capsys.readouterr().err


def test_a_buffer_of_imitation_may_be_turned_off(tmp_path, capsys):
    path = write(tmp_path / "a.yaml", "algorithm: gtr\nimitation_buffer_size: 64\n")
    words = ["--config", path, "--env", "e", "--model", "m", "--out", "o"]
    assert parse_training(PPOConfig, "ppo", words).imitation_buffer_size == 64
    config = parse_training(PPOConfig, "ppo", [*words, "--algorithm", "ppo"])
    assert config.imitation_buffer_size == 1024
    assert "imitation_buffer_size of the recipe is not used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_rank": 8}, "lora_rank=8 without lora: .*leave it out, or add lora=True"),
        ({"lora_alpha": 16}, "lora_alpha=16 without lora"),
        ({"lora_dropout": 0.1}, "lora_dropout=0.1 without lora"),
        ({"lora_parts": ["language"]}, r"lora_parts=\('language',\) without lora"),
        ({"seed": -1}, "seed=-1: expected 0 or above"),
    ],
)
@pytest.mark.parametrize("kind", KINDS.values())
def test_options_that_nothing_would_use(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        kind(**{**GIVEN, **changes})


def test_values_of_an_adapter_that_are_the_default_need_none():
    parts = ["vision", "projector", "language"]
    assert PPOConfig(**GIVEN, lora_rank=128, lora_parts=parts) == PPOConfig(**GIVEN)


@pytest.mark.parametrize("options", [{}, {"algorithm": "gtr", "imitation_coef": 0.0}])
def test_a_buffer_without_imitation_is_refused(options):
    message = "imitation_buffer_size=64 with imitation_coef=0: nothing is imitated; leave it out"
    with pytest.raises(ValueError, match=message):
        PPOConfig(**GIVEN, imitation_buffer_size=64, **options)
    assert PPOConfig(**GIVEN, imitation_buffer_size=64, algorithm="gtr").imitation_coef == 1


def test_files_extend_others_and_have_sections(tmp_path):
    write(tmp_path / "base.yaml", "seed: 1\nsft:\n  samples: 7\nppo:\n  ppo_epochs: 3\n")
    path = write(tmp_path / "a.yaml", "extends: base.yaml\nseed: 2\nsft:\n  batch_size: 4\n")
    assert read_options(SFTConfig, path, "sft") == {"seed": 2, "samples": 7, "batch_size": 4}
    assert read_options(PPOConfig, path, "ppo") == {"seed": 2, "ppo_epochs": 3}


def test_files_do_not_extend_themselves(tmp_path):
    write(tmp_path / "b.yaml", "extends: a.yaml\n")
    path = write(tmp_path / "a.yaml", "extends: b.yaml\n")
    with pytest.raises(ValueError, match="a.yaml extends .*b.yaml extends .*a.yaml: a circle"):
        read_options(PPOConfig, path, "ppo")


def test_the_configuration_of_a_run_runs_again(tmp_path):
    config = PPOConfig(
        **GIVEN,
        env_kwargs={"max_position": 7},
        lora=True,
        lora_parts=("language",),
        history_length=2,
    )
    Run(tmp_path / "run", config)
    for source in (tmp_path / "run", tmp_path / "run" / "run.json"):
        assert load_config(PPOConfig, source, "ppo") == config
    again = write(tmp_path / "a.yaml", yaml.safe_dump(json.loads(json.dumps(vars(config)))))
    assert load_config(PPOConfig, again, "ppo") == config
    assert load_config(PPOConfig, again, "ppo", seed=9) == dataclasses.replace(config, seed=9)


def test_options_without_default_are_still_asked_for(capsys):
    with pytest.raises(SystemExit):
        main(["ppo", "--config", "tiny", "--env", "e", "--out", "o"])
    assert "--model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ppo_epocs: 3", "unknown option 'ppo_epocs' of `ppo` (did you mean 'ppo_epochs'?)"),
        ("ppo:\n  gama: 0.5", "unknown option 'gama' of `ppo` (did you mean 'gamma'?)"),
        ("ppo_epochs: many", "ppo_epochs='many': expected a whole number"),
        ("ppo_epochs: true", "ppo_epochs=True: expected a whole number"),
        ("gamma: high", "gamma='high': expected a number"),
        ("cot: 1", "cot=1: expected true or false"),
        ("env: 1", "env=1: expected text"),
        ("objective: episode", "objective='episode': expected one of 'step', 'token'"),
        ("lora_parts: 3", "lora_parts=3: expected a list"),
        ("env_kwargs: 3", "env_kwargs=3: expected names"),
        ("- 1", "expected options by name"),
        ("ppo: 3", "holds 3, expected options"),
        ("a: [", "is not YAML"),
        ("ppo_epochs: 0", "ppo_epochs=0"),
        ("sft:\n  samples: 3", "no section 'ppo', only sft"),
    ],
)
def test_mistakes_in_files_are_named(tmp_path, capsys, text, message):
    path = write(tmp_path / "a.yaml", text)
    assert main(["ppo", "--config", path, "--env", "e", "--model", "m", "--out", "o"]) == 1
    assert message in capsys.readouterr().err


def test_an_unknown_configuration_is_told_the_known_ones(capsys):
    assert main(["sft", "--config", "numberlin"]) == 1
    error = capsys.readouterr().err
    assert "did you mean 'numberline'?" in error
    assert "points24" in error


def test_help_names_the_configurations(capsys):
    with pytest.raises(SystemExit):
        main(["ppo", "--help"])
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    assert "--config NAME" in text
    assert "numberline-tiny" in text


def test_recipes_and_command_lines_know_the_home_folder_and_refuse_nan(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "run.yaml", "out: ~/runs/a\nmodel: ~/models/b\nenv: ns/Env-v0\n")
    config = parse_training(SFTConfig, "sft", ["--config", "~/run.yaml"])
    assert (config.out, config.model) == (f"{tmp_path}/runs/a", f"{tmp_path}/models/b")
    assert parse_training(SFTConfig, "sft", ["--resume=~/runs/a"]).place == f"{tmp_path}/runs/a"
    write(tmp_path / "bad.yaml", "extends: ~/run.yaml\nlearning_rate: .inf\n")
    assert main(["sft", "--config", str(tmp_path / "bad.yaml")]) == 1
    assert "learning_rate=inf: expected a number above 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_training(SFTConfig, "sft", ["--config", "~/run.yaml", "--temperature", "nan"])
    assert "temperature=nan: expected 0 or above" in capsys.readouterr().err
