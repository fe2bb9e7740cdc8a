"""What the page says runs as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "environments" / "alfworld.md"


def test_the_code_of_the_page(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(block, PAGE.name, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(("put a hot ", "heat some "))
    assert lines[-1] == "True 51.0"
