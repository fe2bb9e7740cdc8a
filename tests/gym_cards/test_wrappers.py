"""The state as text, and graded rewards, around every registered game."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation

import gym_cards  # noqa: F401
from gym_cards.wrappers import CHARSET, GradedReward, TextObservation

GAMES = ("NumberLine", "EZPoints", "Points24", "Points24Exact", "Blackjack")
IDS = [f"gym_cards/{name}-v0" for name in GAMES]
CARD_GAMES = sorted(
    env_id for env_id in gym.registry if env_id.startswith("gym_cards/") and "ALF" not in env_id
)
FORMS = [
    {"keep_image": keep_image, "tokens": tokens}
    for keep_image in (False, True)
    for tokens in (False, True)
]


def text_of(env, observation):
    """The text in an observation of any form."""
    if env.keep_image:
        observation = observation["text"]
    return env.decode(observation) if env.tokens else observation


def state_text(info):
    return "\n".join(f"{field}: {value}" for field, value in info["state"].items())


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("env_id", CARD_GAMES)
def test_the_text_is_the_state_in_every_step(env_id, form):
    plain, env = gym.make(env_id), TextObservation(gym.make(env_id), **form)
    env.action_space.seed(0)
    for seed in range(2):
        picture, _ = plain.reset(seed=seed)
        observation, info = env.reset(seed=seed)
        over = False
        while not over:
            assert observation in env.observation_space
            assert text_of(env, observation) == state_text(info)
            if env.keep_image:
                assert (observation["image"] == picture).all()
            action = env.action_space.sample()
            picture, expected, *ends, _ = plain.step(action)
            observation, reward, terminated, truncated, info = env.step(action)
            assert (reward, [terminated, truncated]) == (expected, ends)
            over = terminated or truncated
        assert text_of(env, observation) == state_text(info)


def test_what_the_text_looks_like():
    env = TextObservation(gym.make("gym_cards/Points24-v0"))
    text, _ = env.reset(options={"cards": ["H9", "CA", "SK", "DT"]})
    assert text == "cards: 9 A K 10\ncurrent formula: "
    assert env.step(8)[0] == "cards: 9 A K 10\ncurrent formula: 9"


def test_the_longest_states_fit():
    env = TextObservation(gym.make("gym_cards/Points24-v0", num_cards=6))
    env.reset(options={"cards": ["HT", "CT", "ST", "DT", "HK", "HQ"]})
    over = False
    while not over:
        text, _, _, over, _ = env.step(9)
    assert text.startswith("cards: 10 10 10 10 K Q\ncurrent formula: 101010101010 ")
    env = TextObservation(gym.make("gym_cards/Points24-v0", treat_face_cards_as_10=False))
    env.reset(options={"cards": ["HT", "CT", "ST", "DT"]})
    for _ in range(21):
        text = env.step(9)[0]
    assert env.step(9)[3]
    env = TextObservation(gym.make("gym_cards/Blackjack-v0"))
    text, _ = env.reset(options={"player": ["HA"] * 21, "dealer": ["CT", "DT"]})
    assert text.startswith("player cards: A A")


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasiums_checker_has_nothing_to_say(env_id, form):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(TextObservation(gym.make(env_id, disable_env_checker=True), **form))


@pytest.mark.parametrize("env_id", IDS)
def test_the_protocols_attributes_pass_through(env_id):
    env = TextObservation(gym.make(env_id))
    env.reset(seed=0)
    assert env.get_wrapper_attr("action_names") == env.unwrapped.action_names
    assert env.get_wrapper_attr("task_description") == env.unwrapped.task_description
    assert env.get_wrapper_attr("expert")() == env.unwrapped.expert()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_specs_and_pickles_make_the_same_again(form):
    env = TextObservation(gym.make("gym_cards/EZPoints-v0", target_points=20), **form)
    made = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    copied = pickle.loads(pickle.dumps(env))
    first = env.reset(seed=3)[0]
    for other in (made, copied):
        assert other.observation_space == env.observation_space
        assert text_of(env, other.reset(seed=3)[0]) == text_of(env, first)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_vector_environments_take_it(form, mode):
    def wrap(env):
        return TextObservation(env, **form)

    envs = gym.make_vec(
        "gym_cards/NumberLine-v0",
        3,
        vectorization_mode=mode,
        wrappers=[wrap],
    )
    single = wrap(gym.make("gym_cards/NumberLine-v0"))
    observations, _ = envs.reset(seed=7)
    observations, *_ = envs.step(np.array([0, 1, 0]))
    texts = observations["text"] if single.keep_image else observations
    for i, action in enumerate((0, 1, 0)):
        single.reset(seed=7 + i)
        expected = text_of(single, single.step(action)[0])
        assert (single.decode(texts[i]) if single.tokens else texts[i]) == expected
    envs.close()


def test_tokens_are_what_the_vocabulary_says():
    env = TextObservation(gym.make("gym_cards/NumberLine-v0"), tokens=True)
    assert env.vocabulary == ("", *CHARSET)
    tokens, _ = env.reset(seed=0)
    assert tokens.shape == (512,)
    assert tokens.dtype == np.int64
    text = env.decode(tokens)
    assert [env.vocabulary[token] for token in tokens[: len(text)]] == list(text)
    assert not tokens[len(text) :].any()
    flat = FlattenObservation(TextObservation(gym.make("gym_cards/NumberLine-v0"), tokens=True))
    assert flat.reset(seed=0)[0].shape == (512 * len(env.vocabulary),)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 0}, "max_length=0: expected at least 1"),
        ({"charset": ""}, "expected some characters, each of them once"),
        ({"charset": "aa"}, "expected some characters, each of them once"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TextObservation(gym.make("gym_cards/NumberLine-v0"), **arguments)


def test_states_that_do_not_fit_are_errors():
    env = TextObservation(gym.make("gym_cards/NumberLine-v0"), max_length=10)
    with pytest.raises(ValueError, match="expected at most 10 out of the charset"):
        env.reset(seed=0)
    env = TextObservation(gym.make("gym_cards/NumberLine-v0"), charset="0123456789 \n:acegmnrt")
    with pytest.raises(ValueError, match="among them 'bu'"):
        env.reset(seed=0)
    with pytest.raises(ValueError, match="have the keys none: expected 'state'"):
        TextObservation(gym.make("CartPole-v1")).reset(seed=0)


def play(env, cards, tokens):
    """The rewards and grades of the actions that append the tokens."""
    names = env.get_wrapper_attr("action_names")
    _, info = env.reset(options={"cards": cards})
    assert info["grade"] == ""
    steps = []
    for token in tokens:
        _, reward, terminated, truncated, info = env.step(names.index(token))
        steps.append((reward, info["grade"]))
    return steps, terminated, truncated, info


FOUR_SIX = ["H4", "C6", "SA", "DA"]


@pytest.mark.parametrize(
    ("rules", "tokens", "last", "grade"),
    [
        ("exact", "4 * 6 * 1 * 1 =", 5.0, "correct"),
        ("published", "4 * 6 * 1 * 1 =", 5.0, "correct"),
        ("published", "1 1 + 6 + 4 =", -1.0, "wrong value"),
        ("exact", "1 1 + 6 + 4 =", -3.0, "malformed"),
        ("exact", "4 + 6 + 1 + 1 =", -1.0, "wrong value"),
        ("exact", "4 * 6 =", -3.0, "malformed"),
        ("published", "4 * 6 =", -3.0, "malformed"),
        ("published", "4 * 6 * 1 * 1 + =", -3.0, "malformed"),
        ("published", "4 / ( 1 - 1 ) + 6 =", -3.0, "malformed"),
        ("exact", "4 7", -2.0, "refused number"),
        ("exact", "4 6 1 1 4", -2.0, "refused number"),
        ("exact", "=", -3.0, "malformed"),
        ("exact", " ".join("+" * 22), -1.0, "too long"),
    ],
)
def test_grades(rules, tokens, last, grade):
    env = GradedReward(gym.make("gym_cards/Points24-v0", rules=rules))
    steps, terminated, truncated, info = play(env, FOUR_SIX, tokens.split())
    assert steps[-1] == (last, grade)
    assert set(steps[:-1]) <= {(0.0, "")}
    assert terminated == ("=" in tokens)
    assert truncated == (grade == "too long")
    assert info["is_success"] == (grade == "correct")


@pytest.mark.parametrize(
    ("tokens", "last", "grade"),
    [
        ("4 * 6 * 1 * 1 =", 5.0, "correct"),
        ("4 * 6 =", -3.0, "malformed"),
        ("+", -1.0, "lost"),
        ("4 * 6 * 1 * 1 1", -2.0, "refused number"),
    ],
)
def test_a_game_that_ends_where_it_is_lost_has_a_grade_for_it(tokens, last, grade):
    env = GradedReward(gym.make("gym_cards/Points24Exact-v0", end_when_lost=True))
    steps, *_ = play(env, FOUR_SIX, tokens.split())
    assert steps[-1] == (last, grade)
    assert {grade for _, grade in steps[:-1]} <= {""}


def test_refused_numbers_cost_each_time_and_success_is_the_published_one():
    env = GradedReward(gym.make("gym_cards/EZPoints-v0"), correct=1.0, refused_number=-0.25)
    steps, *_, info = play(env, ["H2", "C6"], ["9", "2", "9", "*", "6", "="])
    assert [reward for reward, _ in steps] == [-0.25, 0.0, -0.25, 0.0, 0.0, 1.0]
    assert info["is_success"]
    assert env.get_wrapper_attr("action_names") == env.unwrapped.action_names


@pytest.mark.parametrize("env_id", IDS[1:4])
def test_graded_games_pass_the_checker_and_can_be_made_again(env_id):
    env = GradedReward(gym.make(env_id, disable_env_checker=True), malformed=-7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(env)
    made = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    made.reset(seed=0)
    _, reward, *_, info = made.step(len(env.get_wrapper_attr("action_names")) - 1)
    assert (reward, info["grade"]) == (-7.0, "malformed")


def test_both_wrappers_together_in_a_vector():
    envs = gym.make_vec(
        "gym_cards/Points24Exact-v0",
        2,
        vectorization_mode="sync",
        wrappers=[GradedReward, TextObservation],
    )
    texts, infos = envs.reset(seed=0)
    assert all(text.startswith("cards: ") for text in texts)
    _, rewards, *_, infos = envs.step(np.array([16, 10]))
    assert rewards.tolist() == [-3.0, 0.0]
    assert list(infos["grade"]) == ["malformed", ""]


def test_only_points_games_are_graded():
    with pytest.raises(ValueError, match="expected a points game"):
        GradedReward(gym.make("gym_cards/NumberLine-v0"))
