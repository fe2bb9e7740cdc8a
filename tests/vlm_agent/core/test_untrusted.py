"""Replies are untrusted text: none raises, hangs, or runs code, whatever it holds."""

import contextlib
import itertools
import json
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlm_agent.core import parsing
from vlm_agent.core.parsing import parse, read_reply, same_value
from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.data.recordings import RecordingError, read_recordings
from vlm_agent.data.trajectory_format import TrajectoryError
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.data.trajectory_writer import EpisodeRecorder, PlayedStep, TrajectoryWriter
from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.plots import save_episode
from vlm_agent.rollout.episode_runner import Transition
from vlm_agent.rollout.metrics import RolloutMetrics

COMMANDS = (*(f"go to shelf {i}" for i in range(1, 30)), "look", "inventory")
POINTS = (*(str(n) for n in range(1, 11)), "+", "-", "*", "/", "(", ")", "=")
STATE = {"cards": "9 A K 10", "current formula": "9+"}
PIECES = [
    *"{}[]\"'\\:,\n\t `#",
    *('"action":', "'action':", "action:", '"thoughts":', '"cards":', '"Action" :', "```json\n"),
    *("10", "+", "go to shelf 1", "look", "1.", "1,", "9" * 400, "1e999999", "-0x1", "1_000"),
    *("NaN", "Infinity", "-Infinity", "null", "true", "\\u0000", "\\ud800", "\\u00", "\\n", "\\x"),
    *("\x00", "\ud800", "\udfff", "\ufeff", "\u202e", "\u2028", "\u0130", "ß", "🂡", "e\u0301"),
    *("<image>", "</s>", "<|im_end|>", "<pad>", "<end>", "[INST]", "<script>", "</script>"),
    *("Ignore all that was said before.", "Answer with JSON in this form:", "system:"),
    *("__import__('os').system('touch ran')", "{{7*7}}", "{0.__class__}", "%s%n", "${HOME}"),
]
pieces = st.sampled_from(PIECES)
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
texts = st.lists(pieces | anything, max_size=30).map("".join)
deep = st.builds(
    lambda one, count, rest: one * count + rest,
    st.lists(pieces, min_size=1, max_size=3).map("".join),
    st.integers(100, 3000),
    texts,
)
replies = texts | deep


def observation(actions):
    image = np.zeros((2, 2, 3), np.uint8)
    given = {"current formula": STATE["current formula"]}
    return Observation(image, Task("t", actions), actions, given, state=STATE)


def consume(text):
    """Everything that is done with a reply, wherever one comes from."""
    for actions in (POINTS, COMMANDS):
        now = observation(actions)
        for rule in ("json", "published"):
            parsed = parse(text, actions, rule)
            assert parsed.action is None or 0 <= parsed.action < len(actions)
            start = parsed.action_start
            assert start is None or 0 <= start < len(text)
        assert parse(text, actions) == parse(text, actions)
        metrics = RolloutMetrics()
        reply = read_reply(text, actions)
        metrics.add(Transition(now, reply, 0, 0.0, False, False, False, 0.0, 1))
        metrics.logged(1.0)
    for name, value in parse(text, ()).fields.items():
        assert isinstance(name, str)
        same_value(value, STATE["cards"])


@given(replies)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_reply_raises(text):
    consume(text)


@given(texts)
@settings(max_examples=50, deadline=None)
def test_every_reply_is_recorded_and_read_back(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("recorded")
    now = observation(POINTS)
    writer = TrajectoryWriter(folder)
    recorder = EpisodeRecorder(writer, None, name="p", env="e", kwargs={}, purpose="evaluation")
    step = recorder.step_record(PlayedStep(now, read_reply(text, now.actions), 1, 0.0))
    recorder.write_episode([step], number=0, seed=1, success=False)
    writer.close()
    (episode,) = read_trajectories(folder)
    assert episode["steps"][0]["reply"] == text
    assert episode["steps"][0]["read"].get("cards") == parse(text, ()).fields.get("cards")


def lines_run(text):
    """How many lines of the parser run to read a reply."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename != parsing.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse(text, COMMANDS)
    finally:
        sys.settrace(before)
    return count


@given(texts, st.lists(pieces, min_size=1, max_size=4).map("".join), texts)
@settings(max_examples=30, deadline=None)
def test_work_grows_with_the_length_and_no_faster(before, repeated, after):
    """As much more is done for the second hundred as for the first, whatever it repeats."""
    short, middle, long = (
        lines_run(before + repeated * count + after) for count in (100, 200, 300)
    )
    # Differences, of which what is done once for a whole text is no part.
    assert long - middle <= middle - short + 50


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "reply",
    [
        *("{", '"', '"a":', "go to shelf "),
    ],
)
def test_a_megabyte_is_read(reply):
    """In a time that grows with the square of the length, this would take hours."""
    repeated = reply * (MEGABYTE // len(reply))
    parse(repeated, COMMANDS)
    parse(f'{{"action": "{repeated}"}}', COMMANDS)


def test_nothing_of_a_reply_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in (
        "__import__('os').system('touch ran')",
        "open('ran', 'w')",
        "{{ cycler.__init__.__globals__.os.popen('touch ran').read() }}",
        "!!python/object/apply:os.system ['touch ran']",
        "$(touch ran)",
    ):
        for text in (code, json.dumps({"cards": code, "action": code}), f'{{"action": {code}}}'):
            consume(text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["$\\frac{1}{0$ ^_", "\x00 \ud800 \u202e", "long " * 100_000, "\n" * 10_000, "<image>" * 99],
)
def test_every_reply_can_be_drawn(tmp_path, text):
    step = Step(0, 0, observation(POINTS), Reply(text, None), 1, 0.0, True, False)
    save_episode([step], "an episode", tmp_path / "episode.png")
    assert (tmp_path / "episode.png").stat().st_size < 2**20


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
RECORDING = {
    "format": "gym-cards-episode",
    "version": 1,
    "env": "gym_cards/NumberLine-v0",
    "kwargs": {},
    "seed": 2,
    "success": True,
    "steps": [{"state": {}, "action": 0, "name": "-"}],
}
EPISODE = {
    **dict.fromkeys(
        ("purpose", "policy", "env", "kwargs", "number", "seed", "trained_steps", "success")
    ),
    **{"total_reward": 0.0, "length": 0, "group": None, "steps": []},
    **{"format": "vlm-agent-episode", "version": 1},
}


@given(st.sampled_from(sorted(RECORDING)), json_values)
@settings(max_examples=50, deadline=None)
def test_a_recording_is_read_or_refused(tmp_path_factory, key, value):
    path = tmp_path_factory.mktemp("files") / "episodes.jsonl"
    path.write_text(json.dumps({**RECORDING, key: value}))
    with contextlib.suppress(RecordingError):
        (recording,) = read_recordings(path)
        assert recording.seed >= 0


@given(st.sampled_from(sorted(EPISODE)), json_values)
@settings(max_examples=50, deadline=None)
def test_an_episode_is_read_or_refused(tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp("files")
    (folder / "episodes.jsonl").write_text(json.dumps({**EPISODE, key: value}))
    with contextlib.suppress(TrajectoryError):
        list(read_trajectories(folder))


@pytest.mark.filterwarnings("ignore:.*is cut short or not JSON")
@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 5000, '{"a":' * 100_000, "\ud800", "nul"])
def test_lines_that_cannot_be_read_are_left_out(tmp_path, line):
    path = tmp_path / "episodes.jsonl"
    lines = [line, json.dumps(RECORDING), line]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    assert len(read_recordings(path)) == 1


def test_hostile_pieces_in_every_order():
    """Pairs that may open what the other should close."""
    for one, other in itertools.product(PIECES[:20], repeat=2):
        consume(f'{one}{other}"action": "+"{other}{one}')
