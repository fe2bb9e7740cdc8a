"""The code in the docs runs as it is written, and what the docs name exists."""

import contextlib
import io
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

import draw_architecture
import gymnasium as gym
import pytest

from baselines.config import CONFIGS as BASELINES
from baselines.train import main as baselines
from gym_cards.play.recording import Recorder
from gym_cards.play.session import Game, Session
from vlm_agent import (
    PPOConfig,
    SFTConfig,
    load_config,
)
from vlm_agent.cli.main import main as vlm_agent

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", read(name), re.DOTALL | re.MULTILINE)
    return [text for tag, text in found if tag == language]


def run(name):
    exec(compile("".join(blocks(name, "python")), name, "exec"), {"__name__": "page"})


# ----- code ---------------------------------------------------------------------------------------

# What the comments next to the code say that it prints.
PRINTED = {
    "README.md": ["{'cards': 'J 2 8 J', 'current formula': ''}"],
    "docs/index.md": [],
    "docs/environments/alfworld-pictures.md": [],
    "docs/environments/variants.md": [],
    "docs/training/tracking.md": [],
    "docs/environments/exact-values.md": [],
    "docs/environments/adding-an-environment.md": [
        "1.0\n(1, 'left card 9, right card K, so I choose right')\n(0.0, 1.0)\n",
        "(3, 150, 150, 3) (3,)\n",
    ],
    "docs/environments/vectorized.md": [],
    "docs/environments/wrappers.md": ["cards: 4 5 K 6\ncurrent formula: \n", "-3.0 malformed\n"],
}
# Pages whose code needs something first; the test that runs it.
RUN_ELSEWHERE = {
    "docs/environments/alfworld-games.md": "tests/gym_cards/alfworld/test_docs.py",
    "docs/environments/alfworld.md": "tests/gym_cards/alfworld/test_docs.py",
    "docs/evaluation/baselines.md": "tests/baselines/test_training.py",
    "docs/evaluation/evaluate.md": "tests/test_docs.py",
    "docs/training/callbacks.md": "tests/vlm_agent/training/hooks/test_hooks.py",
    "docs/training/models.md": "tests/vlm_agent/models/test_loading.py",
    "docs/environments/play-by-hand.md": "tests/test_docs.py",
    "docs/start/your-model-and-environment.md": "tests/vlm_agent/cli/test_guide.py",
    "docs/training/adding-an-algorithm.md": "tests/vlm_agent/training/test_own_algorithm.py",
    "docs/training/openenv.md": "tests/vlm_agent/integrations/test_openenv.py",
    "docs/training/other-trainers.md": "tests/vlm_agent/integrations/test_verl_agent.py",
    "docs/training/prompts.md": "tests/vlm_agent/core/test_prompt_builder.py",
    "docs/training/python.md": "tests/test_docs.py",
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_code_of_a_page_runs(name, capsys):
    before = set(gym.registry)
    run(name)
    for env_id in set(gym.registry) - before:
        del gym.registry[env_id]
    printed = capsys.readouterr().out
    assert not [text for text in PRINTED[name] if text not in printed]


def test_all_code_is_run():
    assert {page for page in PAGES if blocks(page, "python")} == {*PRINTED, *RUN_ELSEWHERE}
    for page, test in RUN_ELSEWHERE.items():
        assert page.rsplit("/", 1)[1] in read(test)


@pytest.mark.slow
def test_training_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("docs/training/python.md")
    assert "success_rate" in capsys.readouterr().out


def test_evaluation_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("docs/evaluation/evaluate.md")
    assert "expert gym_cards/EZPoints-v0 1.0\n" in capsys.readouterr().out


def test_recordings_and_windows_in_python(tmp_path, monkeypatch, capsys):
    pygame = pytest.importorskip("pygame")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    # Closes Gymnasium's window at once.
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    session = Session(Game("gym_cards/Points24-v0", {}, 3), Recorder("points.jsonl"))
    session.play(session.choices[-1])
    run("docs/environments/play-by-hand.md")
    assert f"{session.state} {{" in capsys.readouterr().out


# ----- commands -----------------------------------------------------------------------------------

VLM_AGENT = (
    "sft",
    "ppo",
    "plan",
    "merge",
    "push",
    "pull",
    "eval",
    "benchmark",
    "serve",
    "openenv",
    "report",
    "export",
    "play",
    "show",
    "demo",
)
# Modules whose libraries are installed in environments of their own.
NEED_A_LIBRARY = {
    f"vlm_agent.integrations.{name}" for name in ("openenv", "skyrl_gym", "verifiers")
}
# Options of programs of others.
FOREIGN = {"--config_file", "--main_process_ip", "--main_process_port", "--machine_rank"} | {
    "--multi_gpu", "--num_machines", "--num_processes", "--logdir", "--generation-config",
    "--limit-mm-per-prompt", "--logprobs-mode", "--worker-extension-cls", "--tensor-parallel-size",
    "--enable-lora", "--max-lora-rank",
    "--gpu-memory-utilization", "--client", "--no-deps", "--no-push",
}  # fmt: skip


def options_of(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def help_options(main, *words):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return options_of(printed.getvalue())


@pytest.fixture(scope="module")
def options():
    """The options of each program, by how its calls begin."""
    known = {f"vlm-agent {name}": help_options(vlm_agent, name) for name in VLM_AGENT}
    known["accelerate launch"] = known["vlm-agent ppo"] | FOREIGN
    known["python -m baselines.train"] = {"--algorithm", "--env", "--resume"}.union(
        *(help_options(baselines, "--algorithm", name) for name in BASELINES)
    )
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        known[f"python benchmarks/{path.name}"] = options_of(path.read_text(encoding="utf-8"))
    for module in ("gym_cards.play", "gym_cards.alfworld.generate", "gym_cards.alfworld.compare"):
        files = (ROOT / module.replace(".", "/")).rglob("*.py")
        files = [*files, *(ROOT.glob(module.replace(".", "/") + ".py"))]
        text = "".join(path.read_text(encoding="utf-8") for path in files)
        known[f"python -m {module}"] = options_of(text)
    return known


@pytest.mark.parametrize("name", PAGES)
def test_the_options_of_a_page_exist(name, options):
    text = read(name)
    for block in blocks(name, ""):
        for line in block.replace("\\\n", " ").splitlines():
            for program, known in options.items():
                if re.search(rf"(^|\s){re.escape(program)}\b", line):
                    assert options_of(line.split("#")[0]) <= known, line
    assert options_of(text) <= FOREIGN.union(*options.values())


def test_the_example_of_a_configuration_can_be_read(tmp_path):
    (text,) = blocks("docs/training/configuration.md", "yaml")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    fine_tuning = load_config(SFTConfig, tmp_path / "mine.yaml", "sft")
    training = load_config(PPOConfig, tmp_path / "mine.yaml", "ppo")
    assert (fine_tuning.samples, fine_tuning.out) == (4096, "runs/mine/sft")
    assert (training.model, training.total_steps) == ("runs/mine/sft", 10240)
    assert training.env_kwargs == {"max_position": 10}
    assert training.ppo_epochs == 2  # what it extends


# ----- names, links and pictures ------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_the_names_of_a_page_exist(name):
    for quoted in re.findall(r"`([^`\n]+)`", read(name)):
        if found := re.fullmatch(r"((?:gym_cards|vlm_agent|baselines)(?:\.\w+)+)(\(.*\))?", quoted):
            if found[1] in NEED_A_LIBRARY:
                assert find_spec(found[1])
            else:
                pkgutil.resolve_name(found[1])
        elif re.fullmatch(r"gym_cards/\w+-v\d+", quoted):
            assert quoted in gym.registry
        elif re.fullmatch(
            r"(gym_cards|vlm_agent|baselines|tests|assets|benchmarks)/[\w./]+", quoted
        ):
            assert (ROOT / quoted).exists(), quoted


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_page_lead_somewhere(name):
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", read(name)):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_pages_that_the_code_names_exist():
    named = set()
    for folder in ("gym_cards", "vlm_agent", "baselines", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".yaml"):
                named |= set(re.findall(r"docs/[\w/.-]+\.md", path.read_text(encoding="utf-8")))
    assert named
    assert not {page for page in named if not (ROOT / page).is_file()}


def test_every_variant_is_listed():
    text = read("docs/environments/variants.md")
    rows = re.findall(r"^\| `(gym_cards/\S+)` \| `(.*?)` \|", text, re.MULTILINE)
    registered = {
        spec.id: ", ".join(f"{name}={value!r}" for name, value in spec.kwargs.items())
        for spec in gym.registry.values()
        if spec.namespace == "gym_cards" and spec.kwargs
    }
    assert dict(rows) == registered


def test_every_metric_is_explained():
    logged = set()
    for module in (ROOT / "vlm_agent").rglob("*.py"):
        logged |= set(re.findall(r'"((?:rollout|time)/\w+)"', module.read_text(encoding="utf-8")))
    page = read("docs/training/metrics.md")
    assert logged
    assert not {name for name in logged if f"`{name}`" not in page}


def test_the_pictures_of_the_architecture_show_the_code():
    drawn = {
        "architecture": draw_architecture.architecture(draw_architecture.room_imports()),
        "training_step": draw_architecture.training_step(),
    }
    folders = {path.parent.name for path in ROOT.glob("vlm_agent/*/__init__.py")}
    assert set(draw_architecture.ROOMS) == folders
    page = read("docs/architecture.md")
    assert not [room for room in folders if f"| `{room}` |" not in page]
    for name, svg in drawn.items():
        saved = read(f"docs/images/{name}.svg")
        assert saved == svg, "run python assets/draw_architecture.py"
