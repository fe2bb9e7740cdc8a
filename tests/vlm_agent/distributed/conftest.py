import re

import pytest

from tests.support.launching import ROOT


@pytest.fixture
def documented(tmp_path):
    """The configuration in the documentation."""
    page = (ROOT / "docs" / "scale" / "fsdp.md").read_text(encoding="utf-8")
    text = re.search(r"```yaml\n(compute_environment.*?)```", page, re.DOTALL)[1]
    (tmp_path / "fsdp.yaml").write_text(text, encoding="utf-8")
    return "--config_file", str(tmp_path / "fsdp.yaml")
