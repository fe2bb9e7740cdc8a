import dataclasses
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import typing

import pytest
from PIL import Image

from vlm_agent.cli.main import main
from vlm_agent.config.commands import (
    CheckConfig,
    DemoConfig,
    ExportConfig,
    MergeConfig,
    PlayConfig,
    ReportConfig,
    ServeConfig,
    ShowConfig,
)
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.options import options_of
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.values import PATH, unwrap
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.sft.loss import reply_losses

NUMBER_LINE = "gym_cards/NumberLine-v0"
PPO = ["ppo", "--env", NUMBER_LINE, "--model"]
SFT = ["sft", "--env", NUMBER_LINE, "--samples", "32", "--max-new-tokens", "16"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory that `vlm-agent sft` wrote; its policy has learned next to nothing."""
    directory = tmp_path_factory.mktemp("runs") / "sft"
    assert main([*SFT, "--out", str(directory), "--random-share", "0.5"]) == 0
    return directory


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("sft", "ppo", "eval", "show", "demo"))
    assert main([]) == 2
    assert main(["trane"]) == 2
    assert "unknown command 'trane'" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["vlm_agent", "vlm_agent.cli"])
def test_it_is_a_module_too(module):
    result = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0
    assert "vlm-agent" in result.stdout


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "vlm_agent.cli.commands", None)
    assert main(["eval", "--help"]) == 1
    assert 'pip install "gym-cards[agent]"' in capsys.readouterr().err


COMMANDS = {
    "check": CheckConfig,
    "sft": SFTConfig,
    "ppo": PPOConfig,
    "merge": MergeConfig,
    "eval": EvalConfig,
    "serve": ServeConfig,
    "report": ReportConfig,
    "export": ExportConfig,
    "play": PlayConfig,
    "show": ShowConfig,
    "demo": DemoConfig,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_there_is(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    options = options_of(COMMANDS[command])
    flags = [option.flag for option in options]
    if command in ("sft", "ppo"):
        flags += ["--config", "--resume"]
    for flag in flags:
        assert re.search(rf"^  {flag}\b", text, re.MULTILINE), flag
    for group in {option.group for option in options}:
        assert text.count(f"\n{group}:\n") == 1


# Texts that name no file. Add an option here only if it cannot be a path; else make it PathText.
NOT_PATHS = {
    "env", "eval_env", "algorithm", "api_base_url", "api_key_variable", "dataset_split",
    "dataset_subset", "derived_fields", "engine_url", "name", "title", "prompt", "system_prompt",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_path_may_begin_with_the_home_folder(command):
    for option in options_of(COMMANDS[command]):
        kind, marks, _ = unwrap(option.hint)
        if typing.get_origin(kind) is tuple:
            kind, marks, _ = unwrap(typing.get_args(kind)[0])
        if kind is str and option.name not in NOT_PATHS:
            assert PATH in marks, f"{option.name} of {command} should be PathText"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_that_is_slow(command):
    """Help takes well under two seconds, most of which torch alone would take."""
    program = (
        "import sys\n"
        "from vlm_agent.cli.main import main\n"
        f"try:\n    main([{command!r}, '--help'])\n"
        "finally:\n"
        "    slow = {'torch', 'transformers', 'accelerate', 'peft', 'matplotlib', 'pygame'}\n"
        "    sys.exit(str(slow & set(sys.modules)) if slow & set(sys.modules) else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words", [["sft", "--env", NUMBER_LINE], pytest.param(["demo"], marks=pytest.mark.slow)]
)
def test_notices_are_off_before_bitsandbytes_can_be_imported(words, tmp_path):
    """It warns on import, and is imported by peft if it is installed."""
    (tmp_path / "file.txt").write_text("kept")
    program = (
        "import logging, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'peft':\n"
        "            logger = logging.getLogger('bitsandbytes.backends.cpu.ops')\n"
        "            print('WARNING' if logger.isEnabledFor(logging.WARNING) else 'QUIET')\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from vlm_agent.cli.main import main\n"
        f"assert main({[*words, '--out', str(tmp_path)]!r}) == 1, 'nothing is replaced'\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == {"QUIET"}, result.stdout


def test_modules_of_the_current_directory_are_found_last(tmp_path):
    (tmp_path / "my_lake.py").write_text(
        "import gymnasium\n"
        "def make(**options):\n"
        "    return gymnasium.make('gym_cards:gym_cards/NumberLine-v0')\n"
        "gymnasium.register('my_lake/Line-v0', make)\n"
    )
    (tmp_path / "gymnasium.py").write_text("raise RuntimeError('shadowed')\n")
    program = (
        "import sys\n"
        "sys.path = [place for place in sys.path if place]\n"
        "from vlm_agent.cli.main import main\n"
        "status = main(['show', '--env', 'my_lake/Line-v0'])\n"
        "import os\n"
        "sys.exit(status or sys.path[-1] != os.getcwd())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Answer with JSON" in result.stdout


@pytest.mark.parametrize("config", COMMANDS.values())
def test_every_option_is_documented(config):
    documented = []
    for kind in filter(dataclasses.is_dataclass, config.__mro__):
        text = inspect.cleandoc(kind.__doc__)
        documented += re.findall(r"^    (\w+): \S", text, re.MULTILINE)
    assert sorted(documented) == sorted(field.name for field in dataclasses.fields(config))
    assert all(option.help and option.group for option in options_of(config))
    assert [option.name for option in options_of(config) if option.group == "Options"] == []


def test_eval_writes_one_record_for_each_policy_and_environment(trained, tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    words = ["eval", "--policy", "random", "expert", str(trained), "--episodes", "8"]
    words += ["--env", NUMBER_LINE, "gym_cards/Blackjack-v0", "--seed", "3", "--json", str(path)]
    assert main(words) == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["policy"], r["env"]) for r in records] == [
        (policy, env)
        for policy in ("random", "expert", str(trained))
        for env in (NUMBER_LINE, "gym_cards/Blackjack-v0")
    ]
    assert all(r["episodes"] == 8 for r in records)
    assert "success [95%]" in capsys.readouterr().out
    assert main(words) == 0
    again = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(record.pop("seconds_per_step") > 0 for record in records + again)
    assert again == records, "the same call gives the same records"


def test_ppo_goes_on_from_a_directory(trained, tmp_path):
    out = tmp_path / "ppo"
    words = ["ppo", "--env", NUMBER_LINE, "--model", str(trained), "--out", str(out)]
    words += ["--total-steps", "8", "--num-envs", "4", "--rollout-steps", "2", "--ppo-epochs", "1"]
    words += ["--minibatch-size", "4", "--micro-batch-size", "4", "--max-new-tokens", "8"]
    words += ["--thought-coef", "0.2", "--no-cot", "--env-kwargs", '{"max_position": 7}']
    assert main(words) == 0
    config = json.loads((out / "run.json").read_text())
    assert config["thought_coef"] == 0.2
    assert config["cot"] is False
    assert config["env_kwargs"] == {"max_position": 7}
    assert json.loads((out / "policy.json").read_text())["cot"] is False


@pytest.mark.parametrize("name", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_show_prints_what_a_model_gets(name, tmp_path, capsys):
    path = tmp_path / "picture.png"
    assert main(["show", "--env", f"gym_cards/{name}-v0", "--picture", str(path)]) == 0
    text = capsys.readouterr().out
    assert "Answer with JSON" in text
    assert '"thoughts"' in text.split("an expert's reply")[1]
    assert Image.open(path).size == (300, 300)


def test_show_with_a_model(trained, tmp_path, capsys):
    path = tmp_path / "picture.png"
    words = ["show", "--env", NUMBER_LINE, "--model", str(trained), "--picture", str(path)]
    assert main(words) == 0
    assert "<image>You are" in capsys.readouterr().out
    assert Image.open(path).size == (96, 96)


def test_eval_takes_a_name_on_a_hub_and_how_it_is_sampled_from(monkeypatch, capsys):
    asked = []

    def load(name, **options):
        asked.append((name, options["temperature"], options["top_k"], options["top_p"]))
        return lambda observation: 0

    monkeypatch.setattr(VLMPolicy, "load", load)
    words = ["eval", "--policy", "someone/model", "--env", NUMBER_LINE, "--episodes", "1"]
    assert main([*words, "--top-k", "7", "--top-p", "0.9"]) == 0
    assert main(words) == 0
    assert asked == [("someone/model", None, 7, 0.9), ("someone/model", None, None, None)]
    assert "someone/model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "--policy", "no/such/policy", "--env", NUMBER_LINE], "no directory"),
        (["eval", "--policy", "./none", "--env", NUMBER_LINE], "no directory"),
        (["eval", "--policy", "nobody", "--env", NUMBER_LINE], "no policy 'nobody'"),
        (["eval", "--policy", "random", "--env", "gym_cards/No-v0"], "no environment"),
        (["show", "--env", NUMBER_LINE, "--env-kwargs", '{"max_position": 1}'], "max_position"),
        (["eval", "--policy", "random", "--env", "bad id"], "bad id"),
        ([*PPO, "tiny", "--out", "OUT"], "vlm-agent sft --model tiny"),
        ([*PPO, "/no/such/directory", "--out", "OUT"], "no directory"),
        ([*SFT, "--out", "OUT", "--demonstrations", "no.jsonl"], "vlm-agent: no.jsonl: No such"),
        ([*SFT, "--out", "OUT", "--env-kwargs", '{"sise": 3}'], "did you mean 'size'?\n"),
    ],
)
def test_mistakes_end_with_one_line(words, message, tmp_path, capsys):
    words = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists(), "nothing is left behind"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "--env", NUMBER_LINE, "--pictrue", "x"], "--picture"),
        (["show", "--env", NUMBER_LINE, "--env-kwargs", "[1]"], "JSON object"),
        (["show"], "--env"),
        (["eval", "--policy", "--env", NUMBER_LINE], "policy=(): expected at least one"),
        (
            ["eval", "--policy", "random", "--env", NUMBER_LINE, "--record-episodes", "3"],
            "record_episodes=3 without record: nothing is recorded",
        ),
        (["demo", "--seed", "-1"], "seed=-1: expected 0 or above"),
        ([*SFT, "--out", "out", "--seed", "-1"], "seed=-1: expected 0 or above"),
        ([*PPO, "x", "--out", "out", "--seed", "-1"], "seed=-1: expected 0 or above"),
        ([*PPO, "x", "--out", "out", "--lora-rank", "8"], "lora_rank=8 without lora"),
        ([*SFT, "--out", "out", "--samples", "-5"], "samples=-5"),
        ([*SFT, "--out", "out", "--random-share", "7"], "random_share=7.0"),
        ([*SFT, "--out", "out", "--batch-size", "0"], "batch_size=0"),
        ([*SFT, "--out", "out", "--learning-rate", "0"], "learning_rate=0"),
        ([*PPO, "x", "--out", "out", "--minibatch-size", "0"], "minibatch_size=0"),
        ([*PPO, "x", "--out", "out", "--learning-rate", "0"], "learning_rate=0"),
        ([*PPO, "x", "--out", "out", "--gamma", "1.5"], "gamma=1.5"),
    ],
)
def test_wrong_options_name_the_right_one(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_run_is_not_overwritten_silently(trained, capsys):
    assert main([*SFT, "--out", str(trained)]) == 1
    assert "already holds a run" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(monkeypatch, tmp_path, capsys):
    out = tmp_path / "out"
    losses = []

    def interrupted(*arguments):
        losses.append(reply_losses(*arguments))
        if len(losses) == 2:
            raise KeyboardInterrupt
        return losses[-1]

    monkeypatch.setattr("vlm_agent.training.sft.loss.reply_losses", interrupted)
    assert main([*SFT, "--out", str(out)]) == 130
    assert (out / "model.safetensors").is_file()
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 1
    assert "interrupted" in capsys.readouterr().err


def test_a_run_that_fails_at_once_leaves_nothing_in_the_way(monkeypatch, tmp_path, capsys):
    out = tmp_path / "out"

    def failing(*arguments):
        raise ValueError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr("vlm_agent.training.sft.loss.reply_losses", failing)
        assert main([*SFT, "--out", str(out)]) == 1
    assert "out of luck" in capsys.readouterr().err
    assert main([*SFT, "--out", str(out)]) == 0


def test_only_what_a_run_wrote_is_replaced(trained, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    (out / "notes.txt").write_text("keep")
    assert main([*SFT, "--out", str(out), "--overwrite"]) == 1
    assert "notes.txt" in capsys.readouterr().err
    assert (out / "model.safetensors").is_file()
    (out / "notes.txt").unlink()
    assert main([*SFT, "--out", str(out), "--overwrite"]) == 0


def test_a_demo_is_not_overwritten_silently(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "demo" / "sft")
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_records_outlive_a_wrong_call(tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    path.write_text("precious\n")
    for wrong in (["--policy", "random", "nobody"], ["--policy", "random", "--env", "no/No-v0"]):
        assert main(["eval", "--env", NUMBER_LINE, "--json", str(path), *wrong]) == 1
    assert path.read_text() == "precious\n"
    assert "episodes" not in capsys.readouterr().out


def test_damaged_policies_are_named(trained, tmp_path, capsys):
    words = ["eval", "--env", NUMBER_LINE, "--episodes", "1", "--policy"]
    for number, (name, text) in enumerate(
        [
            ("policy.json", '{"mood": "good"}'),
            ("policy.json", "{"),
            ("value_head.safetensors", "x"),
            ("model.safetensors", "x"),
        ]
    ):
        copy = tmp_path / str(number)
        shutil.copytree(trained, copy)
        (copy / name).write_text(text)
        assert main([*words, str(copy)]) == 1, name
        assert str(copy) in capsys.readouterr().err


def test_a_model_without_reasoning_is_not_asked_for_it(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*SFT, "--no-cot", "--out", str(out)]) == 0
    capsys.readouterr()
    picture = str(tmp_path / "x.png")
    assert main(["show", "--env", NUMBER_LINE, "--model", str(out), "--picture", picture]) == 0
    assert "thoughts" not in capsys.readouterr().out
    ppo = ["ppo", "--env", NUMBER_LINE, "--model", str(out), "--out", str(tmp_path / "ppo")]
    assert main(ppo) == 1
    assert "--no-cot" in capsys.readouterr().err
