"""Environments in several threads at once: as if each were alone."""

import io
import random
import sys
import threading

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.alfworld import packages
from gym_cards.alfworld.engine import language, translation
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.game import game_file

THREADS = 4
STEPS = 8
ARGUMENTS = {"task_types": ["look_at_obj_in_light"], "size": 150}


@pytest.fixture
def nothing_cached(monkeypatch):
    """As in a fresh process: nothing is parsed or translated yet."""
    language.parse.cache_clear()
    language.parse_grammar.cache_clear()
    monkeypatch.setattr(translation, "_packed", type(translation._packed)())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def at_once(work):
    """Runs a function of a number in several threads, and returns what each returned or raised."""
    found = [None] * THREADS
    start = threading.Barrier(THREADS)

    def run(number):
        start.wait()
        try:
            found[number] = work(number)
        except Exception as error:  # told by the comparison
            found[number] = repr(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_resets_and_steps_are_those_of_one_thread(nothing_cached):
    def play(number):
        rng = random.Random(number)
        with gym.make("gym_cards/ALFWorld-v0", **ARGUMENTS) as env:
            picture, info = env.reset(seed=number)
            seen = [(picture.tobytes(), info)]
            for _ in range(STEPS):
                picture, *outcome, info = env.step(rng.choice(info["admissible_commands"]))
                seen.append((picture.tobytes(), outcome, info))
        return seen

    together = at_once(play)
    assert together == [play(number) for number in range(THREADS)]


def test_an_import_in_another_thread_names_no_data_set(monkeypatch):
    """While alfworld is imported, the variable names a folder that exists but holds no games."""
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    begun, ended = threading.Event(), threading.Event()

    def import_module(name):
        begun.set()
        assert ended.wait(60)
        return sys.modules[__name__]

    monkeypatch.setattr(packages.importlib, "import_module", import_module)
    importing = threading.Thread(target=packages.load.__wrapped__, args=("alfworld",))
    importing.start()
    assert begun.wait(60)
    found = []
    reading = threading.Thread(target=lambda: found.append(dataset.data_folder(None)))
    reading.start()
    reading.join(0.2)
    assert reading.is_alive()
    ended.set()
    reading.join()
    importing.join()
    assert found == [None]


def test_other_threads_print_while_one_translates(nothing_cached, monkeypatch):
    """The library's own function takes their output, and shows them its arguments."""
    game = game_file(generator.generate("train", "look_at_obj_in_light", 1))
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    arguments = (*sys.argv,)
    problem = (game["pddl_domain"], game["pddl_problem"])
    found = []
    thread = threading.Thread(target=lambda: found.append(translation.translate(*problem)))
    thread.start()
    count = 0
    while thread.is_alive():
        sys.stdout.write("a line\n")
        assert (*sys.argv,) == arguments
        count += 1
    assert count > 10
    assert output.getvalue() == count * "a line\n"
    _, plain = packages.load("fast_downward").pddl2sas(*problem)
    assert found[0].sas == plain.encode()


def test_threads_write_the_same_game_at_once(tmp_path):
    game = generator.generate("train", "look_at_obj_in_light", 1)
    paths = at_once(lambda number: {dataset.write_game(game, tmp_path) for _ in range(10)})
    (path,) = set.union(*paths)
    assert dataset.read_game(path) == dataset.files_of(game)
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"game.tw-pddl", "traj_data.json", "initial_state.pddl"}
