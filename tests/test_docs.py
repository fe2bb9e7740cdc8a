"""The code in the documents runs as it stands, and what they name exists."""

import re
from pathlib import Path

import gymnasium as gym
import pytest

from gym_cards.play.recording import Recorder
from gym_cards.play.session import Game, Session

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", read(name), re.DOTALL)


def run(name):
    exec(compile("".join(python_blocks(name)), name, "exec"), {"__name__": "page"})


# What the comments beside the code say that it prints.
PRINTED = {
    "README.md": ["{'cards': 'J 2 8 J', 'current formula': ''}", "\ncards: 4 5 K 6\n"],
    "docs/index.md": [],
    "docs/exact.md": [],
    "docs/new-environment.md": [
        "1.0\n(1, 'left card 9, right card K, so I choose right')\n(0.0, 1.0)\n",
        "(3, 150, 150, 3) (3,)\n",
    ],
    "docs/vector.md": [],
    "docs/wrappers.md": ["cards: 4 5 K 6\ncurrent formula: \n", "-3.0 malformed\n"],
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_code_of_a_page_runs(name, capsys):
    before = set(gym.registry)
    run(name)
    for env_id in set(gym.registry) - before:
        del gym.registry[env_id]
    printed = capsys.readouterr().out
    assert not [text for text in PRINTED[name] if text not in printed]


def test_the_readme_lists_every_variant():
    rows = re.findall(r"^\| `(gym_cards/\S+)` \| `(.*?)` \|", read("README.md"), re.MULTILINE)
    registered = {
        spec.id: ", ".join(f"{name}={value!r}" for name, value in spec.kwargs.items())
        for spec in gym.registry.values()
        if spec.namespace == "gym_cards" and spec.kwargs
    }
    assert dict(rows) == registered


@pytest.mark.slow
def test_the_agent_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("docs/agent.md")
    assert "success_rate" in capsys.readouterr().out


def test_evaluation_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("docs/evaluation.md")
    assert "expert gym_cards/EZPoints-v0 1.0\n" in capsys.readouterr().out


def test_recordings_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    session = Session(Game("gym_cards/Points24-v0", {}, 3), Recorder("points.jsonl"))
    session.play(session.choices[-1])
    run("docs/play.md")
    assert f"{session.state} {{" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(p.as_posix() for p in ROOT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_metric_is_explained():
    logged = set()
    for module in (ROOT / "vlm_agent").rglob("*.py"):
        logged |= set(re.findall(r'"((?:rollout|time)/\w+)"', module.read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "agent.md").read_text(encoding="utf-8")
    assert logged
    assert not {name for name in logged if f"`{name}`" not in page}
