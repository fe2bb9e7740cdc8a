import pytest

from tests.support.mini_benchmark import MINI
from vlm_agent.evaluation.benchmark import sets


@pytest.fixture
def mini(monkeypatch):
    """The small benchmark, among the known ones."""
    monkeypatch.setitem(sets.SETS, MINI.name, MINI)
    return MINI
