"""A small benchmark, in which runs take no time."""

from dataclasses import replace

from vlm_agent.evaluation.benchmark import find_set
from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet


def _short(name, episodes):
    return replace(find_set("gym-cards-1").choose(tasks=[name])[0], episodes=episodes)


MINI = BenchmarkSet(
    name="mini-1",
    title="A test.",
    seed=1000,
    tasks=(
        _short("NumberLine", 6),
        _short("Blackjack", 5),
        _short("NumberLineLong", 4),
        _short("NumberLineDrawn", 4),
        _short("BlackjackDeck", 3),
    ),
)
