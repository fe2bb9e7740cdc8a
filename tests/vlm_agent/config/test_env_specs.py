import itertools
from collections import Counter

import pytest

from vlm_agent.config.options import plain_options
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training import EnvSpec, alternate, env_specs, spread
from vlm_agent.config.values import JsonObject, OneOrMore, convert, from_text
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.training.ppo_config import PPOConfig


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("a", OneOrMore[str], "a"),
        (["a"], OneOrMore[str], "a"),
        (["a", "b"], OneOrMore[str], ("a", "b")),
        ({"n": 1}, OneOrMore[JsonObject], {"n": 1}),
        ([{"n": 1}, {}], OneOrMore[JsonObject], ({"n": 1}, {})),
        (None, OneOrMore[str] | None, None),
    ],
)
def test_one_value_is_stored_as_it_is_and_several_as_a_tuple(value, hint, expected):
    assert convert(value, hint) == expected


def test_several_values_on_the_command_line():
    assert from_text(["a"], OneOrMore[str]) == "a"
    assert from_text(["a", "b"], OneOrMore[str]) == ("a", "b")
    assert from_text(['{"n": 1}', "{}"], OneOrMore[JsonObject]) == ({"n": 1}, {})
    with pytest.raises(ValueError, match="expected at least one"):
        from_text([], OneOrMore[str])


def test_environments_have_their_own_arguments_weights_and_labels():
    names = ["gym_cards/NumberLine-v0", "gym_cards/NumberLine-v0", "rooms:x/Rooms-v1"]
    found = env_specs(names, [{"max_position": 3}, {}, {}], [1, 2, 3])
    assert [spec.label for spec in found] == ["NumberLine-v0", "NumberLine-v0-2", "Rooms-v1"]
    assert found[0] == EnvSpec(names[0], {"max_position": 3}, 1, "NumberLine-v0")
    assert [spec.kwargs for spec in env_specs(names, {"size": 9})] == [{"size": 9}] * 3
    assert env_specs(None, {}) == ()


@pytest.mark.parametrize("count", [6, 7, 60])
def test_places_are_divided_as_evenly_as_whole_numbers_can(count):
    places = spread([1, 2], count, "num_envs")
    assert abs(Counter(places)[0] - count / 3) < 1
    for prefix in range(3, count):  # so that processes, which take places in a row, are alike
        assert abs(Counter(places[:prefix])[1] - 2 * prefix / 3) <= 1


def test_turns_continue_where_they_were():
    whole = list(itertools.islice(alternate([1, 3, 2.5]), 20))
    credits = [0.0] * 3
    first = list(itertools.islice(alternate([1, 3, 2.5], credits), 9))
    assert first + list(itertools.islice(alternate([1, 3, 2.5], list(credits)), 11)) == whole


TWO = {"env": ("a/A-v0", "a/B-v0"), "out": "o", "model": "m"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_weights": (1.0,)}, "env_weights has 1 values for 2 environments"),
        ({"env_kwargs": [{}, {}, {}]}, "env_kwargs has 3 values for 2 environments"),
        ({"env_weights": (1.0, -1.0)}, "expected a number above 0"),
        ({"num_envs": 4, "env_weights": (1, 99)}, "num_envs=4 is too few for 2 environments"),
        ({"early_stopping_patience": 2}, "early_stopping_patience=2 without evaluations"),
        ({"eval_temperature": 0.0}, "eval_temperature=0.0 without evaluations"),
        ({"eval_every": 4, "eval_env_kwargs": {"n": 1}}, "without eval_env: name the environment"),
        ({"eval_every": 4, "eval_env": "e", "eval_env_kwargs": [{}, {}]}, "2 values for 1"),
    ],
)
def test_what_does_not_fit_several_environments_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PPOConfig(**{**TWO, **changes})


def test_fine_tuning_refuses_what_is_for_one_environment():
    for changes in ({"demonstrations": "f"}, {"probe_weight": 1.0}):
        with pytest.raises(ValueError, match="are for one environment"):
            SFTConfig(**{**TWO, **changes})
    with pytest.raises(ValueError, match="with a data set alone: give eval_env"):
        SFTConfig(dataset="d", out="o", eval_every=16)


def test_one_environment_is_saved_as_ever_and_several_as_lists():
    assert plain_options(PPOConfig(**{**TWO, "env": "a/A-v0"}))["env"] == "a/A-v0"
    assert plain_options(PPOConfig(**TWO))["env"] == ("a/A-v0", "a/B-v0")


def test_episodes_of_evaluations_while_training_are_no_others():
    training, evaluation, validation = (
        set(episode_seeds(purpose, 0, 500)) for purpose in ("training", "evaluation", "validation")
    )
    assert not training & validation
    assert not evaluation & validation
    assert all(seed % 2 and 0 < seed < 2**63 for seed in validation)
