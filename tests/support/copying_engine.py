"""An engine with weights of its own: a copy of the policy, perturbed if asked for."""

import copy
from contextlib import contextmanager
from threading import Lock


class CopyingEngine:
    """Writes with a copy of the policy that gets its weights when `writing` is entered.

    Attributes:
        copy: The copy; what is added to its `banned` perturbs the logits that it samples by.
        sent: Number of times that it got weights.
    """

    def __init__(self, policy):
        self.policy = policy
        self.copy = copy.deepcopy(policy)
        self.sent = 0
        self.is_closed = False
        self._lock = Lock()

    def write(self, observations, draws):
        with self._lock:
            if self.is_closed:
                raise RuntimeError("the engine was closed")
            return [each._replace(value=None) for each in self.copy.write(observations, draws)]

    def answer(self, observation, rng):
        (written,) = self.write([observation], [rng])
        return written

    @contextmanager
    def writing(self):
        self.copy.load_state_dict(self.policy.state_dict())
        self.sent += 1
        yield

    def metrics(self):
        return {"time/weight_sync_seconds": 0.0}

    def close(self):
        self.is_closed = True
