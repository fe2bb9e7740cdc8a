"""Policies that several threads use, or load."""

import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vlm_agent.models import policy as policy_module
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def policy(make_policy):
    """A greedy policy that gives each observation another value."""
    policy = make_policy(temperature=0.0)
    with torch.no_grad():
        for parameter in policy.value_head.parameters():
            parameter.normal_(std=0.3)
    return policy


def test_two_threads_get_the_replies_and_values_of_one(policy, observations):
    batches = [observations[:1], observations[1:4]]
    expected = [policy.act(batch) for batch in batches]

    def work(number):
        return [policy.act(batches[number]) for _ in range(6)]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, range(2)))
    for results, replies in zip(found, expected, strict=True):
        for result in results:
            assert [reply.text for reply in result] == [reply.text for reply in replies]
            values = [reply.value for reply in replies]
            assert [reply.value for reply in result] == pytest.approx(values, abs=1e-5)


def test_a_thread_may_score_while_another_acts(make_policy, observations):
    policy = make_policy(temperature=1.0)
    tokens = [reply.tokens for reply in policy.act(observations)]
    expected = policy.score(observations, tokens)

    def score():
        return [policy.score(observations, tokens) for _ in range(4)]

    with ThreadPoolExecutor(2) as pool:
        acting = pool.submit(lambda: [policy.act(observations[:1]) for _ in range(6)])
        for scores in pool.submit(score).result():
            torch.testing.assert_close(scores.log_probs, expected.log_probs)
            torch.testing.assert_close(scores.values, expected.values)
        acting.result()


def merge(policy, observations):
    with policy.merged():
        pass


def refer(policy, observations):
    if not policy.has_reference:
        policy.keep_reference()
    with policy.reference():
        policy.values(observations)


@pytest.mark.parametrize(
    "use",
    [
        lambda policy, observations: policy.act(observations),
        lambda policy, observations: policy.values(observations),
        lambda policy, observations: policy.score(observations, [[5]] * len(observations), 1.0),
        merge,
        refer,
    ],
    ids=["act", "values", "score", "merged", "reference"],
)
def test_who_holds_the_lock_keeps_others_waiting_and_may_go_on(policy, observations, use):
    with ThreadPoolExecutor(1) as pool:
        with policy.lock:
            other = pool.submit(use, policy, observations[:1])
            use(policy, observations[:1])
            time.sleep(0.1)
            assert not other.done()
        other.result(timeout=60)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda policy: pickle.loads(pickle.dumps(policy))]
)
def test_a_copy_has_a_lock_of_its_own(policy, observations, copied):
    other = copied(policy)  # before a pass: hooks that transformers then adds cannot be pickled
    with policy.lock, ThreadPoolExecutor(1) as pool:
        replies = pool.submit(other.act, observations[:1]).result(timeout=60)
    assert replies == policy.act(observations[:1])


def test_policies_are_loaded_one_after_another(saved, monkeypatch):
    """While transformers builds a model, what other threads build lacks its first values."""
    present = []
    load_model = policy_module.load_model

    def load(*arguments):
        present.append(threading.current_thread())
        time.sleep(0.05)
        assert set(present) == {threading.current_thread()}
        loaded = load_model(*arguments)
        present.clear()
        return loaded

    monkeypatch.setattr(policy_module, "load_model", load)
    with ThreadPoolExecutor(3) as pool:
        policies = list(pool.map(lambda _: VLMPolicy.load(saved), range(3)))
    first, *others = [policy.state_dict() for policy in policies]
    for other in others:
        assert all(torch.equal(weight, other[name]) for name, weight in first.items())
