"""Data sets are opened by reading each file once, for all processes and threads."""

import json
import multiprocessing
import os
import sys
import threading
from pathlib import Path

import pytest

from gym_cards.alfworld.games import dataset, generator, index
from gym_cards.alfworld.games.game import TASK_TYPES, game_file

LOOK = "look_at_obj_in_light"
FOLDERS = 40

_events = []
_counting = threading.Event()


def _hook(event, arguments):
    if _counting.is_set() and event in ("open", "os.scandir"):
        _events.append((event, str(arguments[0])))


@pytest.fixture(scope="module", autouse=True)
def hooked():
    sys.addaudithook(_hook)  # it stays, and does nothing after these tests


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset.find_games.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path, cache):
    """A data set of many games, which are links to one, besides some that are not played."""
    split = tmp_path / "data" / dataset.LAYOUT / "train"
    first = dataset.write_game(generator.generate("train", LOOK, 0), split).parent
    for number in range(1, FOLDERS):
        link(first, split / f"{first.parent.name}-{number}" / "trial")
    link(first, split / "pick-movable-1" / "trial")
    link(first, split / "pick-AppleSliced-1" / "trial")
    link(first, split / "without-game" / "trial")
    (split / "without-game" / "trial" / index.GAME).unlink()
    return tmp_path / "data"


def link(source, place):
    place.mkdir(parents=True)
    for file in (index.GAME, index.TRAJECTORY):
        (place / file).hardlink_to(source / file)


def opened(data, task_types=(LOOK,)):
    """What is found as by a new process, how many files were read, and how many folders listed."""
    dataset.find_games.cache_clear()
    _events.clear()
    _counting.set()
    try:
        found = dataset.find_games(data, "train", task_types)
    finally:
        _counting.clear()
    inside = [event for event, path in _events if path.startswith(str(data))]
    return found, inside.count("open"), inside.count("os.scandir")


def test_files_are_read_once_and_then_only_listed(data):
    found, files, folders = opened(data)
    assert len(found) == FOLDERS
    assert list(found) == sorted(found)
    # The split, and for each game and the one without its two folders; nothing of those left out.
    assert (files, folders) == (2 * FOLDERS, 1 + 2 * (FOLDERS + 1))
    assert opened(data) == (found, 0, folders)
    _counting.set()
    assert dataset.find_games(data, "train", (LOOK,)) == found
    _counting.clear()
    with pytest.raises(FileNotFoundError, match="no solvable game of the types pick_and_place"):
        opened(data, ("pick_and_place_simple",))


def test_what_changed_is_read_again(data):
    found, *_ = opened(data)
    text = found[3].read_text()
    found[3].unlink()
    found[3].write_text(text.replace('"solvable": true', '"solvable": false'))
    found[5].unlink()
    link(found[0].parent, data / dataset.LAYOUT / "train" / "new" / "trial")
    again, files, _ = opened(data)
    # One whose trajectory is not asked for, and the new one.
    assert files == 1 + 2
    assert set(found) - set(again) == {found[3], found[5]}
    assert [path.parent.parent.name for path in set(again) - set(found)] == ["new"]


def test_threads_read_the_files_once_for_all(data):
    results = []
    dataset.find_games.cache_clear()
    _events.clear()
    _counting.set()
    threads = [
        threading.Thread(target=lambda: results.append(dataset.find_games(data, "train", (LOOK,))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _counting.clear()
    assert [len(found) for found in results] == [FOLDERS] * 4
    assert sum(e == "open" and p.startswith(str(data)) for e, p in _events) == 2 * FOLDERS


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_processes_read_the_files_once_for_all(data):
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def work():
        found, files, _ = opened(data)
        results.put((files, len(found)))

    workers = [context.Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 3
    found = sorted(results.get() for _ in workers)
    assert found == [(0, FOLDERS), (0, FOLDERS), (2 * FOLDERS, FOLDERS)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 0}', '{"version": 1, "games": [3]}'])
def test_a_damaged_index_is_written_again(data, cache, text):
    found, *_ = opened(data)
    (kept,) = cache.rglob("*.json")
    kept.write_text(text)
    assert opened(data)[:2] == (found, 2 * FOLDERS)
    assert opened(data)[:2] == (found, 0)


def test_without_a_cache_the_files_are_read(data, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    found, files, _ = opened(data)
    assert (len(found), files) == (FOLDERS, 2 * FOLDERS)
    assert opened(data)[:2] == (found, files)


def test_without_a_home_the_files_are_read(data, monkeypatch):
    def nowhere(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", nowhere)
    assert index.task_types_of(data)


def test_games_are_chosen_as_by_reading_all_of_them(tmp_path, cache):
    """Whatever the order of keys, their spaces, and what texts hold."""
    game = game_file(generator.generate("train", LOOK, 0))
    trajectory = {"task_type": LOOK, "scene": {}}
    long = ["look"] * 2000
    games = [
        game,
        {**game, "solvable": False},
        {**game, "solvable": 1},
        {**game, "solvable": None},
        {key: value for key, value in game.items() if key != "solvable"},
        {"solvable": True, "walkthrough": long},
        {"solvable": False, "walkthrough": long},
        {"solvable": False, "walkthrough": ['say "solvable": true', *long]},
        {"solvable": False, "walkthrough": ['say "solvable": true']},
        {"solvable": True, "more": {"solvable": False}},
        {"solvable": False, "more": {"solvable": True}},
    ]
    trajectories = [
        trajectory,
        {"more": {"task_type": "sleep"}, **trajectory},
        {**trajectory, "task_type": "pick_two_obj_and_place"},
        {**trajectory, "task_desc": '"task_type": "sleep"'},
    ]
    split = tmp_path / dataset.LAYOUT / "train"
    expected = {kind: [] for kind in TASK_TYPES}
    for indent in (None, 4):
        for one, game in enumerate(games):
            for other, task in enumerate(trajectories):
                place = split / f"{indent}-{one}-{other}" / "trial"
                place.mkdir(parents=True)
                (place / index.GAME).write_text(json.dumps(game, indent=indent))
                (place / index.TRAJECTORY).write_text(json.dumps(task, indent=indent))
                if game.get("solvable"):
                    expected[task["task_type"]].append(place / index.GAME)
    for kind in (LOOK, "pick_two_obj_and_place"):
        assert dataset.find_games(tmp_path, "train", (kind,)) == tuple(sorted(expected[kind]))
