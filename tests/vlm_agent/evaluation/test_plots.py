import json
from dataclasses import replace

import pytest
from PIL import Image

from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.plots import (
    check_picture_file,
    save_comparison,
    save_episode,
    save_success_curve,
)

NUMBER_LINE = "gym_cards/NumberLine-v0"


def is_drawn(path):
    """Returns whether a picture shows more than its background."""
    return len(Image.open(path).convert("RGB").getcolors(1 << 24)) > 20


def test_the_success_curve(tmp_path):
    rows = [{"step": 256 * n, "rollout/success_rate": rate} for n, rate in ((1, None), (2, 0.5))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = evaluate("random", NUMBER_LINE, episodes=10)
    after = evaluate("expert", NUMBER_LINE, episodes=10)
    save_success_curve(tmp_path, before, after, tmp_path / "curve.png")
    assert is_drawn(tmp_path / "curve.png")


def test_an_episode_is_drawn_whatever_the_reply_holds(tmp_path):
    def odd(observation):
        return '$x_1$ \\frac{"action": "+"}\n{"action": "+"}' if observation.state else None

    steps = []
    evaluate(odd, NUMBER_LINE, episodes=1, on_step=steps.append)
    save_episode(steps, "$odd$ <title>", tmp_path / "episode.png", limit=2)
    assert is_drawn(tmp_path / "episode.png")
    evaluate(lambda observation: None, NUMBER_LINE, episodes=1, on_step=steps.append)
    save_episode(steps[-1:], "silent", tmp_path / "silent.png")
    assert is_drawn(tmp_path / "silent.png")


def test_a_comparison_is_drawn_for_one_and_for_many(tmp_path):
    one = evaluate("random", NUMBER_LINE, episodes=3)
    many = [replace(one, policy=f"runs/{p}" * 9, env=f"x/{e}-v0") for p in "ab" for e in "cdefg"]
    for name, evaluations in (("one", [one]), ("many", many), ("own", [replace(one, seed=None)])):
        save_comparison(evaluations, tmp_path / f"{name}.png")
        assert is_drawn(tmp_path / f"{name}.png")
    check_picture_file("x.svg")
    with pytest.raises(ValueError, match="x.txt: expected a name that ends in one of .*png"):
        check_picture_file("x.txt")
