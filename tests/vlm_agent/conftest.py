import itertools
import shutil
import signal

import numpy as np
import pytest
import torch

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.environments import make_env
from vlm_agent.core.prompts import build_prompt
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny

ENVS = tuple(f"gym_cards/{name}-v0" for name in ("NumberLine", "EZPoints", "Points24", "Blackjack"))

torch.set_num_threads(1)

# The page is opened in a browser where there is one; test_report.py runs its logic everywhere.
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
collect_ignore = [] if BROWSER else ["reporting/test_report_browser.py"]


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C as in a terminal: a shell's background jobs, and what they start, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_sigterm_handler():
    """SIGTERM as in a new process, whatever libraries have made of it in this one."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@pytest.fixture(scope="session")
def texts():
    """Prompts and replies of every card game."""
    result = []
    for env in ENVS:
        demonstrator = Demonstrator(env, num_envs=4, random_share=0.5)
        for batch in itertools.islice(demonstrator, 8):
            for item in batch:
                result += [build_prompt(item.observation), item.reply]
        demonstrator.close()
    return result


@pytest.fixture
def make_policy(texts):
    """Makes tiny policies with random weights, which write nonsense."""

    def make(**settings):
        settings = {"temperature": 1.0, "max_new_tokens": 24, **settings}
        return VLMPolicy(*build_tiny(texts), GenerationConfig(**settings))

    return make


@pytest.fixture
def observations():
    """Moments of all the card games: prompts of different lengths, pictures all different."""
    rng = np.random.default_rng(0)
    result = []
    for name in ENVS:
        env = make_env(name)
        task = task_of(env)
        now = observe(task, *env.reset(seed=3))
        for _ in range(2):
            result.append(now)
            picture, _, ended, cut, info = env.step(int(rng.integers(len(now.actions))))
            if ended or cut:
                picture, info = env.reset()
            now = observe(task, picture, info)
        env.close()
    return result
