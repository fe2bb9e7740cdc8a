import json
import math

import pytest

from vlm_agent.config.files import load_config
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import METRICS_FILE, read_metrics
from vlm_agent.training.saving.run import Run


class Nothing:
    def save(self, directory):
        pass


def test_metrics_are_json_whatever_was_measured(tmp_path):
    run = Run(tmp_path, SFTConfig(env="e", out="o"))
    with run.saving(Nothing()):
        run.log(1, {"a": math.nan, "b": -math.inf, "c": None, "d": 2, "e": 0.5})

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    for line in (tmp_path / METRICS_FILE).read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    assert read_metrics(tmp_path) == [
        {"step": 1, "a": None, "b": None, "c": None, "d": 2, "e": 0.5}
    ]


def test_a_run_started_from_anothers_configuration_replaces_nothing_unasked(tmp_path):
    config = SFTConfig(env="e", out=str(tmp_path), overwrite=True)
    with Run(tmp_path, config, overwrite=True).saving(Nothing()) as _:
        pass
    again = load_config(SFTConfig, tmp_path, "sft")
    assert not again.overwrite
    with pytest.raises(FileExistsError, match="already holds a run"):
        Run(again.out, again, overwrite=again.overwrite)
