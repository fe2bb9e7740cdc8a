"""The published games' recorded behaviour, every record of it."""

import json
from pathlib import Path

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401

RECORDS = json.loads(
    (Path(__file__).parents[1] / "conformance" / "rules.json").read_text(encoding="utf-8")
)
VARIANTS = sorted({(record["env"], json.dumps(record["kwargs"])) for record in RECORDS})


def replay(env, record):
    """Plays a record and returns what its `expected` should be."""
    env.reset(options=record["options"])
    played = []
    for action, _ in zip(record["actions"], record["expected"], strict=False):
        _, reward, terminated, truncated, info = env.step(action)
        extra = []
        if "Formula" in info:
            extra = [info["Formula"]]
        elif "Target" in info:
            extra = [[info["Target"], info["Current"]]]
        played.append([reward, terminated, truncated, *extra])
    return played


@pytest.mark.parametrize(("env_id", "kwargs"), VARIANTS)
def test_every_record_holds(env_id, kwargs):
    env = gym.make(env_id, **json.loads(kwargs))
    records = [
        record
        for record in RECORDS
        if record["env"] == env_id and json.dumps(record["kwargs"]) == kwargs
    ]
    assert records
    for record in records:
        assert replay(env, record) == record["expected"], record


def test_the_records_are_all_there():
    assert len(RECORDS) == 857


def test_the_exact_rules_agree_with_the_published_ones_but_for_quirks():
    """On Points24's records both rules pay alike, except where a quirk wins or floats miss."""
    env = gym.make("gym_cards/Points24Exact-v0")
    records = [
        record
        for record in RECORDS
        if record["env"] == "gym_cards/Points24-v0" and record["kwargs"] == {}
    ]
    ends = {
        (record["expected"][-1][0], replay(env, record)[-1][0])
        for record in records
        if all(step[3].count(" ") == 0 for step in record["expected"])
    }
    assert ends == {(10.0, 10.0), (-1.0, -1.0), (0.0, 0.0), (10.0, -1.0), (-1.0, 10.0)}
