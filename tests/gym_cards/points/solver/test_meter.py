"""What exact values cost: bounded in operations, the same whatever was asked before."""

import random
from fractions import Fraction

import pytest
from card_games import make

from gym_cards.core.action_values import IntractableError
from gym_cards.points.exact import exact
from gym_cards.points.solver import completions, fewest_tokens, meter, published, published_values
from gym_cards.points.solver.exact import complete
from gym_cards.points.solver.meter import Meter, Work

SIX = (7, 8, 9, 10, 12, 13)
ACTIONS = (*range(1, 14), "+", "-", "*", "/", "(", ")", "=")
EXACT = completions.Arithmetic("*+-/", True, False)


def forget():
    for module in (completions, published, published_values):
        for one in vars(module).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()


def ask(rules, prefix, numbers=SIX, target=24):
    arguments = {"actions": ACTIONS, "max_length": 5 * len(numbers), "rules": rules}
    return exact(prefix, numbers, target, **arguments)


@pytest.fixture
def done(monkeypatch):
    """Counts the operations on values that are really done."""
    counts = {"exact": 0, "published": 0}

    def counted(rules, function):
        def spy(*args):
            counts[rules] += 1
            return function(*args)

        return spy

    # By the exact rules each result is offered to a table or added to a set.
    for name in ("_better", "_divide"):
        spy = counted("exact", getattr(completions, name))
        monkeypatch.setattr(completions, name, spy)
    spy = counted("published", published_values.published_operation)
    monkeypatch.setattr(published_values, "published_operation", spy)
    return counts


@pytest.mark.parametrize("prefix", [(), ("(", "("), (7, "-", "(")], ids=str)
@pytest.mark.parametrize("rules", ["exact", "published"])
def test_no_call_does_more_than_the_bound(rules, prefix, done, monkeypatch):
    monkeypatch.setattr(meter, "MAX_OPERATIONS", 20_000)
    forget()
    for _ in range(3):
        before = done[rules]
        # However much is in the caches already, the answer is the same.
        with pytest.raises(IntractableError, match="more than 20,000 operations would be needed; "):
            ask(rules, prefix)
        # At most all of it is done twice, and results are moved from table to table.
        assert done[rules] - before <= 60_000
    assert done[rules] > 1_000
    forget()


@pytest.mark.parametrize("rules", ["exact", "published"])
def test_the_count_does_not_depend_on_what_was_asked_before(rules):
    numbers, prefix = (2, 3, 3, 9), ("(", 2)

    def count():
        counter = Meter()
        arguments = {"max_tokens": 20, "meter": counter}
        if rules == "exact":
            assert complete(prefix, numbers, 977, **arguments) is None
        else:
            fewest_tokens(prefix, numbers, 977, **arguments)
        return counter.work()

    forget()
    cold = count()
    ask(rules, (2,), numbers, 977)
    warm = count()
    forget()
    ask(rules, (2,), numbers)
    assert cold == warm == count()
    assert cold.tables
    assert 100 < cold.operations < meter.MAX_OPERATIONS


def test_values_of_six_cards_at_the_start_are_within_the_bound():
    start = ask("exact", (), (2, 3, 9, 10, 10, 10))
    assert start.success_probability == 1
    assert start.action_values[ACTIONS.index(2)] == 10


@pytest.mark.slow
def test_values_of_six_different_cards_are_too():
    assert ask("exact", ()).success_probability == 1


def test_a_state_out_of_bounds_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(meter, "MAX_OPERATIONS", 20_000)
    env = make("Points24Exact", num_cards=6, size=64)
    env.reset(options={"cards": ["H7", "S8", "C9", "DT", "HJ", "S6"]})
    env.step(env.action_names.index("("))
    before = env.snapshot()
    with pytest.raises(IntractableError, match="fewer cards unused or fewer brackets open"):
        env.exact()
    assert env.snapshot() == before


def test_tables_count_once():
    counter = Meter(100)
    counter.count(10)
    for _ in range(3):
        counter.add_table("large", Work(30, (("small", 20),)))
    counter.count_table("small", 20)
    assert counter.work() == Work(10, (("small", 20), ("large", 30)))
    other = Meter(100)
    other.add(counter.work())
    other.add(Work(40, (("large", 30),)))
    with pytest.raises(IntractableError, match="more than 100 operations"):
        other.count(1)


@pytest.mark.parametrize("cards", [(1, 1, 2, 3), (4, 6, 6, 9), (97, 98, 99, 100)], ids=str)
def test_residues_stand_for_fractions_one_to_one(cards):
    """As many values are different as there are different fractions."""

    def fractions(cards):
        if len(cards) == 1:
            return {Fraction(cards[0])}
        if cards not in known:
            found = set()
            for part, rest in completions.splits(cards):
                if rest:
                    for a in fractions(part):
                        for b in fractions(rest):
                            found |= {a + b, a - b, a * b, *([a / b] if b else [])}
            known[cards] = found
        return known[cards]

    known = {}
    values, expected = completions._values(cards, EXACT), fractions(cards)
    assert len(values) == len(expected)
    assert values == {
        completions._divide(value.numerator % completions._PRIME, value.denominator, EXACT)
        for value in expected
    }
    for value in random.Random(0).sample(sorted(expected), 20):
        whole = value.denominator == 1
        assert completions.reaches(cards, value.numerator, EXACT) or not whole


def test_targets_beyond_all_values_are_not_reached():
    for target in (completions._PRIME + 24, 24 - completions._PRIME, 10**40):
        assert complete((), (4, 6), target) is None
        assert not completions.reaches((1, 2, 3, 4), target, EXACT)
    assert complete((), (100,) * 6, 100**6) is not None
    assert complete((), (1, 3), -2) == ("1", "-", "3")
