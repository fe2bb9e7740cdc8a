"""Demonstrations that are made only as far as they are needed, and ahead of their use."""

import itertools
import threading
import time
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest

from gym_cards.core.env import CardGameEnv
from gym_cards.points.solver import completions
from vlm_agent.config.sft import SFTConfig
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.prefetch import Prefetcher
from vlm_agent.training.sft.lessons import Lessons

POINTS = "gym_cards/Points24-v0"


def shown(items):
    return [(item.reply, item.observation.image.tobytes()) for item in items]


@pytest.fixture
def searches(monkeypatch):
    """The hands and prefixes that are searched for a plan."""
    found = []
    search = completions.complete_position.__wrapped__
    counted = completions.lru_cache(maxsize=None)(
        lambda *position: (found.append(position), search(*position))[1]
    )
    monkeypatch.setattr("gym_cards.points.solver.exact.complete_position", counted)
    return found


def test_a_hand_is_solved_once_however_often_it_is_played(searches):
    cards = [["H4", "CT", "S6", "DK"], ["DT", "C4", "DT", "D6"]]  # the same numbers

    class Same(gym.Wrapper):
        deals = itertools.cycle(cards)

        def reset(self, *, seed=None, options=None):
            return self.env.reset(seed=seed, options={"cards": next(self.deals)})

    demonstrator = Demonstrator(lambda: Same(gym.make(f"gym_cards:{POINTS}")), num_envs=3)
    items = [item for batch in itertools.islice(demonstrator, 60) for item in batch]
    episodes = sum(not item.observation.state["current formula"] for item in items)
    assert episodes > 12
    assert len(searches) == 1


def test_moves_off_the_plan_are_thought_over_and_those_on_it_are_not(searches):
    env = gym.make(f"gym_cards:{POINTS}").unwrapped
    env.reset(options={"cards": ["H4", "CT", "S6", "DK"]})
    plan = env.expert()[1].rpartition(" ")[2]
    for token in plan.replace("10", "T"):
        if token != "=":
            action = env.action_names.index(token.replace("T", "10"))
            assert env.expert()[0] == action
            env.step(action)
    assert len(searches) == 1
    env.reset(options={"cards": ["H4", "CT", "S6", "DK"]})
    off = env.action_names.index("(")
    env.step(off)
    known = env.expert()
    assert len(searches) == 2
    # The rest is that of a game that was never asked before.
    fresh = gym.make(f"gym_cards:{POINTS}").unwrapped
    fresh.reset(options={"cards": ["H4", "CT", "S6", "DK"]})
    fresh.step(off)
    assert fresh.expert() == known


@pytest.fixture
def frames(monkeypatch):
    """The pictures that environments hand out, after the first, which is checked."""
    Demonstrator(POINTS, num_envs=1).close()
    taken, frame = [], CardGameEnv._frame
    monkeypatch.setattr(CardGameEnv, "_frame", lambda env: (taken.append(env), frame(env))[1])
    return taken


def test_lessons_in_reasoning_draw_no_picture(frames):
    config = SFTConfig(env=POINTS, out="out", samples=8, reasoning_samples=24, batch_size=4)
    lessons = Lessons(config)
    wanted = [lessons.wanted(step) for step in range(1, lessons.steps + 1)]
    demonstrator = Demonstrator(POINTS, num_envs=4)
    names = []
    for step, batch in enumerate(demonstrator.batches(wanted), 1):
        name, learned = lessons.of(step, batch)
        names.append(name)
        drawn = [item.observation.image.any() for item in batch]
        assert drawn == [name != "reasoning"] * 4
        assert all(bool(item.observation.images) == (name != "reasoning") for item in learned)
    assert names.count("reasoning") == 6
    assert len(frames) == 2 * 4


def test_only_moves_that_are_shown_are_drawn(frames):
    few = Demonstrator(POINTS, num_envs=2, shown_share=0.2)
    for _ in few.batches(itertools.repeat("pictures", 10)):
        pass
    assert len(frames) == 20


@pytest.mark.parametrize("kwargs", [{}, {"random_share": 0.5, "shown_share": 0.3}])
def test_pictures_that_are_shown_are_those_of_an_environment_that_draws_all(kwargs):
    """A wrapper that may change pictures has all of them drawn."""

    class Unknown(gym.Wrapper):
        def snapshot(self):
            return self.env.unwrapped.snapshot()

        def restore(self, snapshot):
            self.env.unwrapped.restore(snapshot)

    lazy = Demonstrator(POINTS, num_envs=3, **kwargs)
    eager = Demonstrator(lambda: Unknown(gym.make(f"gym_cards:{POINTS}")), num_envs=3, **kwargs)
    wanted = ["pictures", "texts", "texts", "pictures"] * 5
    found = []
    for needed, one, other in zip(wanted, lazy.batches(wanted), eager.batches(wanted), strict=True):
        assert [item.reply for item in one] == [item.reply for item in other]
        assert (shown(one) == shown(other)) == (needed == "pictures")
        found.append(needed)
    assert found == wanted


def test_a_history_is_drawn_whole():
    demonstrator = Demonstrator(POINTS, num_envs=2, history_length=2)
    *_, last = demonstrator.batches(["texts"] * 6)
    assert all(picture.any() for item in last for picture in item.observation.images)


def test_a_history_of_actions_draws_and_keeps_no_picture(frames):
    few = Demonstrator(POINTS, num_envs=2, history_length=3, history="actions", detour_share=0.5)
    *_, last = few.batches(itertools.repeat("pictures", 6))
    assert len(frames) == 12, "of the moves that are demonstrated"
    assert all(item.observation.image.any() for item in last)
    past = [step for item in last for step in item.observation.history]
    assert past
    assert all(step.image is None and step.asked is None for step in past)


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_prepared_batches_and_their_states_are_those_of_the_source(ahead):
    def made():
        return Demonstrator(POINTS, num_envs=3, random_share=0.3, seed=4, history_length=1)

    wanted = [("texts", "pictures", "openings")[step % 3] for step in range(12)]
    source = made()
    expected = []
    for batch in source.batches(wanted):
        expected.append((shown(batch), source.state_dict()["rng"]))
    prefetcher = Prefetcher(made(), ahead)
    with closing(prefetcher.batches(wanted)) as batches:
        for number, batch in enumerate(batches):
            assert (shown(batch), prefetcher.state_dict()["rng"]) == expected[number]
            if number == 5:
                state = prefetcher.state_dict()
    resumed = Prefetcher(made(), ahead)
    resumed.load_state_dict(state)
    with closing(resumed.batches(wanted[6:])) as batches:
        assert [shown(batch) for batch in batches] == [batch for batch, _ in expected[6:]]


def test_openings_are_first_steps_and_disturb_no_other():
    """Every opening is of another episode, and the others continue where they were."""
    kwargs = {"num_envs": 2, "history": "replies", "history_length": 1}
    plain, mixed = Demonstrator(POINTS, **kwargs), Demonstrator(POINTS, **kwargs)
    expected = list(itertools.islice(plain, 4))
    batches = list(mixed.batches(["pictures", *["openings"] * 30, *["pictures"] * 3]))
    assert [shown(batch) for batch in batches[:1] + batches[-3:]] == [
        shown(batch) for batch in expected
    ]
    openings = [item for batch in batches[1:31] for item in batch]
    assert {item.observation.state["current formula"] for item in openings} == {""}
    assert not any(item.observation.history for item in openings)
    assert len({item.observation.state["cards"] for item in openings}) > 30
    # No environment of openings plays the episodes of another one.
    first = [batch[place].observation.state["cards"] for batch in batches[:2] for place in (0, 1)]
    assert len(set(first)) == 4
    assert any(item.observation.history for batch in expected for item in batch)


@pytest.mark.parametrize(("steps", "wanted"), [("first", "openings"), ("all", "texts")])
def test_reasoning_alone_is_of_the_steps_that_were_asked_for(steps, wanted):
    config = SFTConfig(env=POINTS, out="out", samples=8, reasoning_samples=8, reasoning_steps=steps)
    lessons = Lessons(config)
    assert {lessons.wanted(step) for step in range(1, lessons.steps + 1)} == {"pictures", wanted}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "is for reasoning_samples: give a number"),
        (
            {"reasoning_samples": 8, "demonstrations": "played.jsonl"},
            "demonstrations are a person's",
        ),
    ],
)
def test_first_steps_of_what_has_none_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SFTConfig(env=POINTS, out="out", samples=8, reasoning_steps="first", **changes)


class Counting:
    """Source of numbered batches, which fails at one of them."""

    def __init__(self, fails_at=None):
        self.made, self.fails_at, self.threads = 0, fails_at, set()

    def batches(self, wanted):
        for _ in wanted:
            if self.made == self.fails_at:
                raise LookupError("the environment broke")
            self.made += 1
            self.threads.add(threading.get_ident())
            yield [self.made]

    def state_dict(self):
        return {"made": self.made}


def settled(source):
    """The number of batches once no more are made."""
    made = -1
    while made != source.made:
        made = source.made
        time.sleep(0.05)
    return made


def test_no_more_batches_are_made_than_are_kept_ahead():
    source = Counting()
    prefetcher = Prefetcher(source, 3)
    with closing(prefetcher.batches(itertools.repeat("pictures"))) as batches:
        for taken in range(1, 6):
            assert next(batches) == [taken]
            assert prefetcher.state_dict() == {"made": taken}
            assert settled(source) == taken + 3
    assert source.threads.isdisjoint({threading.get_ident()})
    assert not any(each.name == "prefetch" for each in threading.enumerate())
    assert settled(source) == 8, "the thread has ended"


def test_without_a_thread_a_batch_is_made_when_it_is_taken():
    source = Counting()
    prefetcher = Prefetcher(source, 0)
    with closing(prefetcher.batches(itertools.repeat("pictures"))) as batches:
        assert next(batches) == [1]
        assert source.made == 1
        assert prefetcher.state_dict() == {"made": 1}
    assert source.threads == {threading.get_ident()}


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_comes_where_its_batch_would(ahead):
    with closing(
        Prefetcher(Counting(fails_at=3), ahead).batches(itertools.repeat("pictures"))
    ) as found:
        assert [next(found) for _ in range(3)] == [[1], [2], [3]]
        with pytest.raises(LookupError, match="the environment broke"):
            next(found)


def test_observations_are_copies_of_what_an_environment_draws():
    demonstrator = Demonstrator("gym_cards/NumberLine-v0", num_envs=1)
    first, second = itertools.islice(demonstrator, 2)
    assert not np.shares_memory(first[0].observation.image, second[0].observation.image)
