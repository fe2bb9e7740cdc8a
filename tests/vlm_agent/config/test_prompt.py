import json

import pytest

from vlm_agent.cli.main import main
from vlm_agent.cli.train import parse_training
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.files import load_config
from vlm_agent.config.options import plain_options
from vlm_agent.config.sft import SFTConfig
from vlm_agent.training.ppo_config import PPOConfig

NUMBER_LINE = "gym_cards/NumberLine-v0"


def shouting(observation, cot):
    """A prompt function."""
    return observation.task.description.upper()


@pytest.fixture
def template(tmp_path):
    file = tmp_path / "prompt.jinja"
    file.write_text("{{ task }}\nPlay {{ actions | join(' or ') }}: {{ form }}")
    return str(file)


def test_options_hold_the_text_of_files(template, tmp_path):
    words = ["--env", "e", "--out", "o", "--prompt", template, "--system-prompt", "Be kind to me."]
    config = parse_training(SFTConfig, "sft", words)
    assert config.prompt == "{{ task }}\nPlay {{ actions | join(' or ') }}: {{ form }}\n"
    assert config.system_prompt == "Be kind to me."
    assert config == SFTConfig("e", "o", prompt=template, system_prompt="Be kind to me.")
    (tmp_path / "run.json").write_text(json.dumps(plain_options(config)))
    assert load_config(SFTConfig, tmp_path, "sft") == config
    (tmp_path / "a.yaml").write_text(f"env: e\nout: o\nprompt: {template}\n")
    assert load_config(SFTConfig, tmp_path / "a.yaml", "sft").prompt == config.prompt


def test_functions_are_stored_by_name(tmp_path):
    config = PPOConfig("e", "m", "o", prompt=shouting)
    assert config.prompt == f"{__name__}:shouting"
    assert EvalConfig(("random",), ("e",), prompt=config.prompt).prompt == config.prompt


def test_unset_prompts_are_those_of_the_model():
    config = SFTConfig("e", "o")
    assert (config.prompt, config.system_prompt) == (None, None)
    assert SFTConfig("e", "o", prompt="default", system_prompt="").prompt == "default"


def test_show_prints_the_prompt(template, tmp_path, capsys):
    words = ["show", "--env", NUMBER_LINE, "--picture", str(tmp_path / "x.png")]
    words += ["--prompt", template, "--system-prompt", "Be kind to me.", "--no-cot"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("--- prompt ---\n[system]\nBe kind to me.\n\n[user]\nYou are")
    assert 'Play - or +: {"action": "..."}\n--- picture' in text


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--prompt", "none.jinja"], 1, "no prompt 'none.jinja': expected a template file"),
        (["--prompt", "{{ tsk }}"], 2, "unknown variables tsk"),
        (["--prompt", "json:nothing"], 2, "no prompt function json:nothing"),
        (["--system-prompt", "none.txt"], 1, "no system prompt 'none.txt': expected a file"),
    ],
)
def test_mistakes_end_with_one_line(options, status, message, tmp_path, capsys):
    words = ["show", "--env", NUMBER_LINE, "--picture", str(tmp_path / "x.png"), *options]
    if status == 2:
        with pytest.raises(SystemExit):
            main(words)
    else:
        assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
