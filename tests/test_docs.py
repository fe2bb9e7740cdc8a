"""The code in the documents runs as it stands, and what they name exists."""

import re
from pathlib import Path

import pytest

from gym_cards.play.recording import Recorder
from gym_cards.play.session import Game, Session

ROOT = Path(__file__).parents[1]


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_ten_lines_of_the_readme(capsys):
    (block,) = python_blocks("README.md")
    exec(compile(block, "README.md", "exec"), {})
    assert "{'cards': 'J 7 10 8', 'current formula': ''}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_agent_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile("".join(python_blocks("docs/agent.md")), "docs/agent.md", "exec"), {})
    assert "success_rate" in capsys.readouterr().out


def test_recordings_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    session = Session(Game("gym_cards/Points24-v0", {}, 3), Recorder("points.jsonl"))
    session.play(session.choices[-1])
    (block,) = python_blocks("docs/play.md")
    exec(compile(block, "docs/play.md", "exec"), {})
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
    for module in (ROOT / "vlm_agent").glob("*.py"):
        logged |= set(re.findall(r'"((?:rollout|time)/\w+)"', module.read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "agent.md").read_text(encoding="utf-8")
    assert logged
    assert not {name for name in logged if f"`{name}`" not in page}
