import numpy as np
import pytest

from vlm_agent.core.parsing import parse
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.rollout.diversity import Diversity
from vlm_agent.rollout.episode_runner import Transition
from vlm_agent.rollout.metrics import RolloutMetrics

OBSERVATION = Observation(
    np.zeros((2, 2, 3), np.uint8), Task("", ("a",)), ("a",), state={"number": "1"}
)


def reply(thought, **changes):
    text = f'{{"number": "1", "thoughts": "{thought}", "action": "a"}}'
    fields = parse(text, ("a",)).fields
    given = {"action": 0, "tokens": (1, 2, 3), "action_token": 2, "fields": fields}
    return Reply(text, **{**given, **changes})


def test_the_diversity_of_thoughts_by_hand():
    diversity = Diversity()
    for thought in ("go up now", "go up now", "go down now", "go up now"):
        diversity.add(reply(thought))
    assert diversity.distinct_thoughts == 2 / 4
    # Pairs: go up, up now, go down, down now, of two for each of four thoughts.
    assert diversity.distinct_pairs == 4 / 8


def test_collapsed_thoughts_are_told_from_diverse_ones():
    shares = []
    for thoughts in (["the same words"] * 20, [f"number {i} it is" for i in range(20)]):
        diversity = Diversity()
        for thought in thoughts:
            diversity.add(reply(thought))
        shares.append((diversity.distinct_thoughts, diversity.distinct_pairs))
    assert shares[0] == (1 / 20, 2 / 40)
    assert shares[1] == (1.0, 41 / 60)


def test_replies_without_thoughts_have_no_diversity():
    diversity = Diversity()
    diversity.add(Reply('{"action": "a"}', 0))
    assert diversity.distinct_thoughts is None
    assert diversity.distinct_pairs is None


def test_a_rollout_by_hand():
    counted = RolloutMetrics()
    replies = [
        reply("x", log_probs=(-1.0, -2.0, -3.0)),
        Reply("nonsense", None, (1,), 1, (-4.0,)),
    ]
    with counted.in_environment():
        for number, each in enumerate(replies, start=1):
            counted.add(
                Transition(
                    OBSERVATION,
                    each,
                    action=0,
                    reward=1.5,
                    terminated=number == 2,
                    truncated=False,
                    is_success=True,
                    episode_return=1.5 * number,
                    episode_length=number,
                )
            )
    metrics = counted.logged(seconds=0.5)
    assert counted.steps == 2
    assert metrics["time/environment_steps_per_second"] > 0
    del metrics["time/environment_steps_per_second"]
    assert metrics == {
        "rollout/episodes": 1,
        "rollout/success_rate": 1.0,
        "rollout/mean_return": 3.0,
        "rollout/mean_length": 2.0,
        "rollout/illegal_rate": 0.5,
        "rollout/perception": 0.5,
        "rollout/reply_tokens": 2.0,
        "rollout/thought_tokens": 1.5,
        "rollout/distinct_thoughts": 1.0,
        "rollout/distinct_word_pairs": None,
        "rollout/entropy": pytest.approx((1 + 2 + 3 + 4) / 4),
        "time/rollout_steps_per_second": 4.0,
        "time/tokens_per_second": 8.0,
    }
