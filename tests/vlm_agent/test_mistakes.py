"""Natural mistakes in Python: each is an error that names what was given and what was expected."""

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401 - registers the ids
from vlm_agent import (
    Demonstrator,
    GenerationConfig,
    LazyPolicy,
    PPOConfig,
    Reply,
    SFTConfig,
    VLMPolicy,
    compare,
    evaluate,
    make_env,
    observe,
    parse,
    play,
    resume_ppo,
    task_of,
    train_ppo,
    train_sft,
)
from vlm_agent.core.environments import make_vector_env
from vlm_agent.evaluation.check.check import check_environment

ID = "gym_cards/NumberLine-v0"
IS_AN_ENV = "is an environment: expected its id, or a function that makes it"
NO_ENV = "expected the id of an environment, such as .*, or a function that makes it"
PPO = {"model": "numberline-tiny", "out": "unused", "total_steps": 8}
SFT = {"model": "tiny", "out": "unused", "samples": 8}


def compared(policies=None, envs=ID, **options):
    return list(compare(policies or {"a": "random"}, envs, **{"episodes": 2, **options}))


def played(policy, env=ID, **options):
    return list(play(policy, env, **{"episodes": 2, **options}))


ENTRIES = {
    "make_env": make_env,
    "make_vector_env": lambda env: make_vector_env(env, 2),
    "evaluate": lambda env: evaluate("random", env, episodes=2),
    "play": lambda env: played("random", env),
    "compare": lambda env: compared(envs=[env]),
    "check": check_environment,
    "demonstrator": Demonstrator,
    "ppo": lambda env: train_ppo(PPOConfig(**PPO), env=[env]),
    "sft": lambda env: train_sft(SFTConfig(**SFT), env=[env]),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_environment_in_place_of_its_id(entry):
    env = gym.make(ID)
    with pytest.raises(ValueError, match=IS_AN_ENV):
        ENTRIES[entry](env)
    for wrong in (3, gym.spec(ID)):
        with pytest.raises(ValueError, match=NO_ENV):
            ENTRIES[entry](wrong)
    env.close()


@pytest.mark.parametrize("envs", [ID, [ID], (ID,), lambda: gym.make(ID), [lambda: gym.make(ID)]])
def test_compare_takes_one_environment_or_several(envs):
    (evaluation,) = compared(envs=envs)
    assert evaluation.episodes == 2


def test_compare_does_not_confuse_functions_of_one_name():
    envs = [lambda: gym.make(ID), lambda: gym.make("gym_cards/EZPoints-v0")]
    with pytest.raises(ValueError, match="functions of the same name, <lambda>, <lambda>: give"):
        compared(envs=envs)


@pytest.mark.parametrize("policies", [["random"], "random", object()])
def test_compare_needs_names_of_policies(policies):
    with pytest.raises(ValueError, match=r"policies=.*: expected a dictionary of names"):
        compared(policies)


def test_compare_knows_unknown_policies_before_it_plays():
    with pytest.raises(ValueError, match="unknown policy 'radnom'"):
        next(compare({"a": "random", "b": "radnom"}, ID, episodes=2))


NUMBERS = {"episodes": 1, "num_envs": 1, "seed": 0}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("wrong", ["5", True, np.bool_(True), 2.5, 2.0, -1, None, [3]])
def test_numbers_are_whole(name, wrong):
    expected = rf"{name}=.*: expected a whole number of at least {NUMBERS[name]}"
    for entry in (compared, lambda **options: evaluate("random", ID, **options)):
        with pytest.raises(ValueError, match=expected):
            entry(**{name: wrong})


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_numpy_are_whole(name, tmp_path):
    options = {"episodes": 2, "json": tmp_path / "eval.jsonl"}
    assert compared(**{**options, name: np.int64(3)}) == compared(**{**options, name: 3})


def test_zero_episodes_and_environments():
    for name in ("episodes", "num_envs"):
        with pytest.raises(ValueError, match=f"{name}=0: expected"):
            compared(**{name: 0})
    with pytest.raises(ValueError, match="history_length=-1: expected"):
        evaluate("random", ID, episodes=2, history_length=-1)


class Batch:
    def __init__(self, answer):
        self.act = answer


POLICIES = {
    "nothing": (None, "policy=None: expected 'random', .*, or a function of an observation"),
    "a list": (["random"], r"policy=\['random'\]: expected 'random'"),
    "a class": (Batch, "policy=Batch is a class: expected"),
    "not loaded": (LazyPolicy(lambda: "random"), r"policy=LazyPolicy.*: expected"),
    "its name": ("numberline-tiny", r"expected .*VLMPolicy.load\('numberline-tiny'\)"),
    "a list of one": (lambda now: [0], r"played action \[0\]: expected an index from 0 to 1"),
    "a share": (lambda now: 0.5, "played action 0.5 .*expected an index"),
    "an array": (lambda now: np.array([0, 1]), "played action array.*expected an index"),
    "a reply": (lambda now: Reply("", 0), "played action Reply.*expected an index"),
    "none for all": (Batch(lambda all: None), "returned None: expected a list of 2 Reply objects"),
    "indices": (Batch(lambda all: [0, 0]), r"returned \[0, 0\]: expected a list of 2 Reply"),
    "too few": (Batch(lambda all: [Reply("", 0)]), "expected a list of 2 Reply objects"),
    "no action": (Batch(lambda all: [Reply("", 9)] * 2), "played action 9.*index from 0 to 1"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_what_is_no_policy(case):
    policy, message = POLICIES[case]
    for entry in (lambda policy: evaluate(policy, ID, episodes=2), played):
        with pytest.raises(ValueError, match=message):
            entry(policy)


def test_a_directory_in_place_of_a_policy(tmp_path):
    with pytest.raises(ValueError, match=rf"VLMPolicy.load\('{tmp_path}'\)"):
        evaluate(tmp_path, ID, episodes=2)


KWARGS = {
    "evaluate": lambda kwargs: evaluate("random", ID, episodes=2, env_kwargs=kwargs),
    "compare": lambda kwargs: compared(env_kwargs=kwargs),
    "check": lambda kwargs: check_environment(ID, kwargs),
    "demonstrator": lambda kwargs: Demonstrator(ID, env_kwargs=kwargs),
}


@pytest.mark.parametrize("entry", KWARGS)
def test_keyword_arguments_of_environments(entry):
    for wrong in ("max_position=3", ["max_position"]):
        with pytest.raises(ValueError, match="env_kwargs=.*: expected a dictionary"):
            KWARGS[entry](wrong)
    with pytest.raises(ValueError, match="env_kwargs has the key 1"):
        KWARGS[entry]({1: 3})


CALLS = {
    "progress": (lambda: evaluate("random", ID, progress=True), "progress=True: expected a file"),
    "json": (lambda: compared(json=True), "json=True: expected a file"),
    "no environments": (lambda: make_vector_env(ID, 0), "num_envs=0: expected a whole number"),
    "no episodes": (lambda: check_environment(ID, episodes=0), "episodes=0: expected a whole"),
    "no experts": (lambda: Demonstrator(ID, num_envs=0), "num_envs=0: expected a whole number"),
    "a seed of none": (lambda: Demonstrator(ID, seed=None), "seed=None: expected a whole number"),
    "a history": (lambda: Demonstrator(ID, history="all"), "history='all': expected one of"),
    "a task of an id": (lambda: task_of(ID), "expected a gymnasium.Env, as make_env"),
    "no task": (lambda: observe(None, {}, None), "task=None: expected the Task that task_of"),
    "no text": (lambda: parse(None, ["+"]), "text=None: expected the text of a reply"),
    "one name": (lambda: parse("{}", "+ -"), r"action_names='\+ -': expected a list"),
    "no config": (lambda: train_ppo({"env": ID}), r"config=\{'env'.*: expected a PPOConfig"),
    "a class of config": (
        lambda: train_sft(SFTConfig),
        "expected a SFTConfig, such as load_config",
    ),
    "another config": (
        lambda: train_ppo(SFTConfig(env=ID, **SFT)),
        r"config=SFTConfig.*: expected a PPOConfig",
    ),
    "a run's config": (
        lambda: resume_ppo(PPOConfig(env=ID, **PPO)),
        "place=PPOConfig.*: expected the directory of a run",
    ),
    "a policy's name": (
        lambda: train_ppo(PPOConfig(env=ID, **PPO), policy="numberline-tiny"),
        "policy='numberline-tiny': expected a VLMPolicy",
    ),
    "a prompt": (lambda: train_ppo(PPOConfig(env=ID, **PPO), prompt=3), "prompt=3 .*: expected"),
    "a callback": (
        lambda: train_ppo(PPOConfig(env=ID, **PPO), callbacks=print),
        "callbacks=.*: expected a list of callbacks",
    ),
    "a tool's name": (
        lambda: train_ppo(PPOConfig(env=ID, **PPO), reporters=["wandb"]),
        r"reporters=\['wandb'\]: expected a list of Reporter objects",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls_with_something_else(case):
    call, message = CALLS[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture(scope="module")
def policy():
    return VLMPolicy.load("numberline-tiny")


def test_a_policy_has_nothing_to_say_to_nothing(policy):
    assert policy.act([]) == policy.write([]) == policy.values([]) == []
    for call in (lambda: policy.states([]), lambda: policy.score([], [])):
        with pytest.raises(ValueError, match="observations.*: expected.* at least one"):
            call()


@pytest.mark.parametrize("method", ["act", "write", "values", "states", "encode"])
def test_a_policy_needs_a_list_of_observations(policy, method):
    env = make_env(ID)
    picture, info = env.reset(seed=0)
    now = observe(task_of(env), picture, info)
    for wrong in (now, None, picture, [picture], [(picture, info)], (each for each in [now])):
        with pytest.raises(ValueError, match="observations=.*: expected a list of observations"):
            getattr(policy, method)(wrong)
    with pytest.raises(ValueError, match="2 observations and 1 replies: expected"):
        policy.score([now, now], [[1]])
    for reply in ("hello", Reply("", 0)):
        with pytest.raises(ValueError, match="replies holds .*: expected token ids, as Reply.tok"):
            policy.score([now], [reply])
    env.close()


LOADED = "numberline-tiny"
LOADING = {
    "nothing": (lambda: VLMPolicy.load(None), "name=None: expected the directory of a policy"),
    "options": (
        lambda: VLMPolicy.load(LOADED, options={"dtype": "float32"}),
        r"options=\{'dtype': 'float32'\}: expected LoadOptions",
    ),
    "settings as options": (
        lambda: VLMPolicy.load(LOADED, options=GenerationConfig()),
        "options=GenerationConfig.*: expected LoadOptions",
    ),
    "a name": (lambda: VLMPolicy("numberline-tiny", None), "VLMPolicy.load.name. loads one"),
}


@pytest.mark.parametrize("case", LOADING)
def test_what_cannot_be_loaded(case):
    call, message = LOADING[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_settings_of_replies():
    with pytest.raises(TypeError, match=r"'temprature' of replies .did you mean 'temperature'"):
        VLMPolicy.load(LOADED, temprature=0.1)
    with pytest.raises(TypeError, match="'device' of replies.*: expected some of cot, temp"):
        VLMPolicy.load(LOADED, device=None)


def test_the_seed_of_a_policy(policy):
    with pytest.raises(ValueError, match="seed='3': expected a whole number"):
        policy.seed("3")
