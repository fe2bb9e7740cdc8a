"""The household, whose actions are texts, is played and learned like any environment."""

import json

import pytest

from gym_cards.alfworld.generate import main as write_games
from vlm_agent.cli.main import main
from vlm_agent.config.files import load_config
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.environments import make_env
from vlm_agent.core.parsing import parse
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.prompts import build_prompt, build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.models.policy import VLMPolicy

ID = "gym_cards/ALFWorld-v0"
# Of the rooms that come with alfworld, the one with the most furniture.
FULLEST = {"task_type": "pick_heat_then_place_in_recep", "game_seed": 578}


@pytest.fixture(scope="module")
def household(tmp_path_factory):
    """Options of an environment with one small game, and a model that was fine-tuned on it."""
    folder = tmp_path_factory.mktemp("household")
    kinds = ["--splits", "train", "--task-types", "look_at_obj_in_light"]
    write_games(["--out", str(folder / "data"), "--games", "1", *kinds])
    arguments = {"data": str(folder / "data"), "size": 150, "max_episode_steps": 4}
    words = ["--env", ID, "--env-kwargs", json.dumps(arguments)]
    learn = ["--samples", "512", "--no-cot", "--max-new-tokens", "24"]
    assert main(["sft", *words, *learn, "--out", str(folder / "sft")]) == 0
    return words, folder / "sft"


def test_it_is_trained_and_judged_on_the_command_line(household, tmp_path, capsys):
    words, model = household
    run = ["--num-envs", "4", "--rollout-steps", "4", "--total-steps", "16", "--ppo-epochs", "1"]
    run += ["--minibatch-size", "8", "--micro-batch-size", "8", "--max-new-tokens", "24"]
    out = tmp_path / "ppo"
    assert main(["ppo", *words, *run, "--no-cot", "--model", str(model), "--out", str(out)]) == 0
    (metrics,) = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    assert metrics["train/optimizer_steps"] == 2
    assert metrics["rollout/illegal_rate"] < 1
    lines = (out / "trajectories" / "episodes.jsonl").read_text().splitlines()
    steps = [step for line in lines for step in json.loads(line)["steps"]]
    assert len(steps) == 16
    for step in steps:
        named = step["parsed_action"]
        assert step["penalty"] == (named is None), "1 for a reply that names no command, at first"
        if named is not None:
            assert step["played_action"] == named
            assert step["actions"][named] in step["reply"]
    record = tmp_path / "records.jsonl"
    policies = ["--policy", "random", "expert", str(out), "--episodes", "2", "--json", str(record)]
    assert main(["eval", *words, *policies]) == 0
    random, expert, trained = map(json.loads, record.read_text().splitlines())
    assert expert["success_rate"] == 1
    assert random["illegal_rate"] == 0
    assert trained["illegal_rate"] < 1
    capsys.readouterr()
    picture = tmp_path / "show.png"
    assert main(["show", *words, "--model", str(out), "--picture", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "Your goal: " in text
    assert 'You can choose between "go to ' in text
    assert picture.is_file()


def test_a_goal_in_peoples_words_is_in_the_prompt_as_it_is(tmp_path):
    words = ["--out", str(tmp_path), "--games", "1", "--splits", "train"]
    write_games([*words, "--task-types", "look_at_obj_in_light"])
    goal = (
        "Put the \"clean\" mug (red)\\n in the café {{ goal }} {cabinet}\nnext to 'it'. 日本 {% if"
    )
    (place,) = tmp_path.rglob("traj_data.json")
    trajectory = json.loads(place.read_text("utf-8"))
    trajectory["turk_annotations"] = {"anns": [{"task_desc": goal}]}
    place.write_text(json.dumps(trajectory), "utf-8")
    env = make_env(ID, data=str(tmp_path), goals="human", size=150)
    observation = observe(task_of(env), *env.reset(seed=0))
    env.close()
    assert f"\nYour goal: {goal}\n" in build_prompt(observation)
    assert PromptBuilder("Do {{ goal }}!").text(observation) == f"Do {goal}!"


@pytest.mark.parametrize("name", ["alfworld-tiny", "alfworld"])
def test_the_recipes_tell_in_words_what_the_picture_shows(name):
    recipe = load_config(SFTConfig, name, "sft")
    env = make_env(ID, **recipe.env_kwargs)
    task = task_of(env)
    first = observe(task, *env.reset(seed=0))
    action = next(number for number, each in enumerate(first.actions) if each.startswith("go to"))
    picture, *_, info = env.step(first.actions[action])
    now = observe(task, picture, info, first.remember(action, recipe.history_length))
    env.close()
    builder = PromptBuilder(recipe.prompt or "default", history=recipe.history)
    text = builder.text(now)
    assert {*now.given} == {"location", "visible objects", "inventory"}
    assert all(value in text for value in now.given.values())
    reply = json.loads(build_reply(now, 0, "So I do it."))
    assert list(reply) == ["thoughts", "action"], "nothing of it is read out again"
    assert now.goal in text
    if name == "alfworld-tiny":
        lines = text.splitlines()
        assert lines[2] == first.actions[action]
        assert json.loads(lines[3]) == now.given
        assert len(builder.pictures(now)) == 1


@pytest.fixture(scope="module")
def fullest():
    """Observations of a walk past all furniture of the fullest room."""
    env = make_env(ID, size=150, view="map")
    task = task_of(env)
    picture, info = env.reset(options=FULLEST)
    moments = [observe(task, picture, info)]
    for command in moments[0].actions:
        if command.startswith("go to "):
            picture, *_, info = env.step(command)
            moments.append(observe(task, picture, info))
    env.close()
    assert max(len(moment.actions) for moment in moments) > 60
    return moments


def test_the_longest_prompts_fit_the_model(household, fullest):
    policy = VLMPolicy.load(str(household[1]), cot=True)
    *_, other, longest = sorted(fullest, key=lambda moment: len(build_prompt(moment)))
    assert policy.encode([longest])["input_ids"].shape[1] < 4096
    policy.encoder.preparer.max_length = 256
    with pytest.raises(ValueError, match="tokens, pictures included, for a model .* most 256"):
        policy.encode([other])


def test_the_longest_command_that_is_named_is_played(fullest):
    for moment in fullest:
        for index, command in enumerate(moment.actions):
            for value in (command, command.upper(), f"I will {command}.", f"{command}, then stop"):
                assert parse(json.dumps({"action": value}), moment.actions).action == index
            # What goes on with a digit or a letter is another command, and not one of these.
            for value in (f"{command}00", f"{command}s", f"un{command}"):
                assert parse(json.dumps({"action": value}), moment.actions).action is None
