"""The engine says, allows and knows step by step what alfworld's own environment does."""

import os
import random
import signal
import subprocess
import sys

import gymnasium as gym
import pytest
from gymnasium.error import DependencyNotInstalled

from gym_cards.alfworld import packages
from gym_cards.alfworld.engine import language, planner, translation
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.game import TASK_TYPES, game_file

STEPS = 25


def facts_of(state):
    return frozenset((fact.name, *(one.name for one in fact.arguments)) for fact in state["_facts"])


@pytest.fixture(scope="module")
def original():
    """alfworld's own environment: TextWorld's for PDDL, with alfworld's names."""
    textworld = packages.load("textworld")
    textgen = packages.load("textworld.envs.pddl.textgen")
    wrapper = packages.load("alfworld.agents.environment.alfred_tw_env").AlfredDemangler
    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    with pytest.MonkeyPatch.context() as patch:
        if sys.version_info >= (3, 13):
            # There TextWorld cannot evaluate its own templates: it writes to locals().
            def derive(self, context=None):
                names = (context or self.context)["variables"]
                value = eval(self.expression, {}, dict(names))  # noqa: S307
                return [textgen.TerminalSymbol(value)]

            patch.setattr(textgen.EvalSymbol, "derive", derive)
        yield wrapper(packages.load("textworld.envs.pddl").PddlEnv(infos))


@pytest.fixture
def ours():
    playing = planner.Engine()
    yield playing
    playing.close()


@pytest.mark.parametrize(
    ("split", "task_type", "seed"),
    [
        ("valid_unseen", "look_at_obj_in_light", 0),
        pytest.param("train", "pick_clean_then_place_in_recep", 1, marks=pytest.mark.slow),
        *(
            pytest.param(split, task_type, 3, marks=pytest.mark.slow)
            for split in ("train", "valid_unseen")
            for task_type in TASK_TYPES
        ),
    ],
)
def test_whole_games_are_identical(original, ours, tmp_path, split, task_type, seed):
    path = dataset.write_game(generator.generate(split, task_type, seed), tmp_path)
    game = dataset.read_game(path).game
    original.load(str(path))
    theirs, moment = original.reset(), ours.start(game)
    rng = random.Random(seed)
    # Won first, then anything; a game goes on for both after it is won.
    script = [*game["walkthrough"], "go to nowhere 1", " look ", "Look", "", *[None] * STEPS]
    done = set()
    for step, command in enumerate(script):
        assert moment.feedback == theirs.feedback
        assert list(moment.commands) == theirs.admissible_commands
        assert moment.won == theirs["won"]
        assert ours.facts() == facts_of(theirs)
        if step <= len(game["walkthrough"]):
            assert moment.won == (step == len(game["walkthrough"]))
        if command is None:
            # Commands of the rarer kinds first, so that all are compared.
            fresh = [c for c in moment.commands if c.split()[0] not in done]
            command = rng.choice(fresh or moment.commands)
            done.add(command.split()[0])
        theirs, _, _ = original.step(command)
        moment = ours.step(command)
    assert moment.feedback == theirs.feedback
    assert ours.facts() == facts_of(theirs)
    assert len(done) >= 8


def play(playing, game, seed):
    rng = random.Random(seed)
    moments = [playing.start(game)]
    for _ in range(30):
        moments.append(playing.step(rng.choice(moments[-1].commands)))
    return moments


def test_games_follow_one_another_without_a_trace(ours):
    first, second = (game_file(generator.generate("train", TASK_TYPES[0], s)) for s in (1, 2))
    expected = play(ours, first, 0)
    play(ours, second, 1)
    assert play(ours, first, 0) == expected
    fresh = planner.Engine()
    assert play(fresh, first, 0) == expected
    fresh.close()


def test_engines_do_not_disturb_each_other(ours):
    game = game_file(generator.generate("train", TASK_TYPES[0], 1))
    expected = play(ours, game, 0)
    other = planner.Engine()
    rngs = [random.Random(0), random.Random(0)]
    last = [ours.start(game), other.start(game)]
    for step in range(30):
        last = [
            one.step(rng.choice(moment.commands))
            for one, rng, moment in zip((ours, other), rngs, last, strict=True)
        ]
        assert last == [expected[step + 1]] * 2
    other.close()


def test_libraries_are_used_again():
    one = planner.Engine()
    library = one._library
    one.close()
    one.close()
    two = planner.Engine()
    assert two._library is library
    del two
    three = planner.Engine()
    assert three._library is library
    three.close()


def test_the_last_translations_are_kept(monkeypatch):
    made = _translations(monkeypatch, kept=2)
    for name in "abaca":
        assert translation.translate("domain", name) == ("domain", name)
    assert [name for _, name in made] == ["a", "b", "c"]
    translation.translate("domain", "b")
    assert len(made) == 4


def test_as_many_translations_are_kept_as_a_list_has_games(monkeypatch):
    made = _translations(monkeypatch, kept=2)
    with gym.make("gym_cards/ALFWorld-v0", num_games=3):
        for name in "abcabc":
            translation.translate("domain", name)
    assert len(made) == 3
    monkeypatch.setattr(translation, "MOST_KEPT", 4)
    translation.keep(5)
    for name in "abcdeabcde":
        translation.translate("domain", name)
    assert len(made) == 3 + 2 + 5  # of five in turn, four are never enough


def _translations(monkeypatch, kept):
    """Empties the cache, and returns the list of the problems that are translated from now on."""
    monkeypatch.setattr(translation, "_kept", kept)
    monkeypatch.setattr(translation, "_packed", type(translation._packed)())
    made = []
    monkeypatch.setattr(translation, "_translate", lambda *problem: made.append(problem) or problem)
    return made


def test_nothing_is_printed_and_nothing_is_left_changed(tmp_path):
    """In a fresh process with an empty home, where importing alfworld would make a folder.

    Nor is a file left after closing, pickling, or being killed.
    """
    code = (
        "import os, pickle, random, signal, sys\n"
        "import gymnasium\n"
        "import numpy as np\n"
        "def outside():\n"
        "    numbers = [str(value) for value in np.random.get_state()]\n"
        "    return list(sys.argv), sys.stdout, dict(os.environ), random.getstate(), numbers\n"
        "sys.argv = ['mine', '--flag']\n"
        "before = outside()\n"
        "env = gymnasium.make('gym_cards:gym_cards/ALFWorld-v0')\n"
        "_, info = env.reset(seed=3)\n"
        "while not info['won']:\n"
        "    *_, info = env.step(env.unwrapped.demonstrate()[0])\n"
        "env.reset()\n"
        "other = pickle.loads(pickle.dumps(env))\n"
        "env.close()\n"
        "assert outside() == before\n"
        "other.step('look')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ALFWORLD_DATA"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGKILL, "", "")
    assert list(tmp_path.iterdir()) == []


def test_without_alfworld_the_install_line_is_told(monkeypatch):
    packages.package_folder.cache_clear()
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "gym-cards\[alfworld\]"'):
        packages.package_folder()
    monkeypatch.undo()
    assert packages.package_folder().name == "alfworld"


def test_expressions_are_read_and_never_run():
    mug = language.Entity("mug_1", "mug 1")
    grammar = language.Grammar({}, {}, {})
    speaker = language.Speaker(grammar, {"mug_1": mug}, lambda conditions, binding: iter([]))
    binding = {("o", "object"): "mug_1"}
    assert speaker.say("{o.indefinite + ' ' + o.name or o.id} here", binding) == "a mug 1 here"
    with pytest.raises(ValueError, match="expected attributes .* of o, strings"):
        speaker.say("{o.__class__}", binding)
    with pytest.raises(ValueError, match="is not understood"):
        speaker.say("{print(o.name)}", binding)
    with pytest.raises(ValueError, match="no rule for #nothing#"):
        speaker.say("#nothing#", binding)


def test_sentences_of_people_are_told_as_they_are(ours):
    game = game_file(generator.generate("train", TASK_TYPES[1], 0))
    plain = ours.start(game).feedback
    task = plain.split("Your task is to: ")[1]
    said = {**game, "grammar": game["grammar"].replace(task, "Don't wait, go 1.5 m.")}
    assert ours.start(said).feedback == plain.replace(task, "Don't wait, go 1.5 m.")
