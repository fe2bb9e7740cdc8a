"""Memory of training in two processes, counted, against the table in docs/scale/fsdp.md."""

import json
import re

import pytest

from tests.support.launching import ROOT, launch
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny

NARROW = {"dtype": "bfloat16"}
ADAPTER = {**NARROW, "lora": True, "lora_rank": 8}
TRAININGS = [
    {"options": {}},
    {"options": NARROW},
    {"options": NARROW, "gradient_dtype": "bfloat16"},
    {"options": ADAPTER},
]


def table():
    """Returns the formulas in the documentation: bytes by (way, number format, phase)."""
    page = (ROOT / "docs" / "scale" / "fsdp.md").read_text(encoding="utf-8")
    found = {}
    for row in page.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) > 4 and cells[1] in ("float32", "bfloat16"):
            found[cells[0], cells[1], "update"] = cells[2]
            found[cells[0], cells[1], "rollout"] = cells[3]
    assert len(found) == 12
    return found


def evaluated(formula, trained, frozen, processes=2):
    """Returns the bytes that a formula of the table gives."""
    total = 0.0
    for term in re.sub(r" and .*| \(.*", "", formula).split(" + "):
        factor, letter, divided = re.fullmatch(r"(\d+)·([NM])(/P)?", term).groups()
        weights = trained if letter == "N" else frozen
        total += int(factor) * weights / (processes if divided else 1)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("way", ["DDP", "FSDP"])
def test_what_is_counted_is_what_the_table_says(texts, tmp_path, documented, way):
    sizes = {"hidden_size": 512, "layers": 3}
    VLMPolicy(*build_tiny(texts, **sizes), GenerationConfig()).save(tmp_path / "model")
    how = {"how": documented} if way == "FSDP" else {}
    found = launch([str(tmp_path / "model"), TRAININGS], **how, script="counting_bytes")
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == 2 * len(TRAININGS)
    formulas = table()
    for row in rows:
        trained, frozen = row["trained"], row["frozen"]
        number_format = row["options"].get("dtype", "float32")
        for phase in ("update", "rollout"):
            formula = formulas[way, number_format, phase]
            expected = evaluated(formula, trained, frozen)
            # Activations of one short step, and in updates a bucket of gradients in bfloat16 with
            # DDP, or with FSDP two of six layers and their gradients.
            most = {"DDP": 2.2, "FSDP": 4.0}[way] if phase == "update" else 0.5
            more = (row[phase] - expected) / (trained + frozen)
            assert -0.1 < more < most, (row, formula)
        if not frozen:
            # The sum of two processes' gradients has more digits than bfloat16, unless asked for.
            assert (row["rounded"] == 1) == (row.get("gradient_dtype") == "bfloat16"), row
