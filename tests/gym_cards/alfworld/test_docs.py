"""What alfworld.md and alfworld-games.md say runs as it stands."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "environments"


def run(page):
    path = FOLDER / page
    (block,) = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    found = {}
    exec(compile(block, page, "exec"), found)
    return found


def test_the_code_of_the_page(capsys):
    run("alfworld.md")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(("put a hot ", "heat some "))
    assert lines[-1] == "True 51.0"


def test_the_code_of_the_page_on_games():
    assert run("alfworld-games.md")["info"]["task_type"] == "look_at_obj_in_light"
