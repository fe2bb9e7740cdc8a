"""FreeCell as an environment: rewards, ends, options, and what the expert does and says."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
from card_games import make, picture_of

from gym_cards.cards import Card
from gym_cards.freecell import advice, solver
from gym_cards.freecell.deals import UNSOLVED
from gym_cards.wrappers import TextObservation

IDS = ("FreeCellTiny", "FreeCell", "FreeCellFull")
# D3 in a cell, spades and hearts home to 4, clubs to the ace, diamonds to 2.
MIDDLE = {"columns": ["S6 H5", "D6 C2", "C5", "", "H6 C6 C4 D5", "S5 C3"], "cells": ["D4"]}
MIDDLE["columns"][1] = "D6 C2 D3"
# When the last card of column 3 is in the cell, there is no move.
DANGEROUS = {"columns": ["SA H3 S2", "HA S3 H2", "S4 H4"], "cells": []}


def play(env, *names):
    for name in names:
        result = env.step(env.action_names.index(name))
    return result


@pytest.mark.parametrize("name", IDS)
def test_the_expert_solves_every_deal(name):
    """Refused moves and detours included: it plans anew after them."""
    env = make(name)
    for seed in range(2 if name == "FreeCellFull" else 6):
        _, info = env.reset(seed=seed)
        refused = int(np.flatnonzero(info["action_mask"] == 0)[0])
        env.step(refused)
        total, over = -0.02, False
        while not over:
            action, _ = env.expert()
            assert env._mask[action]
            _, reward, terminated, truncated, info = env.step(action)
            total += reward
            over = terminated or truncated
        assert terminated
        assert info["is_success"]
        assert total == pytest.approx(9.98)
        assert info["Foundations"] == [
            Card(suit, env.game_size.ranks).code for suit in "SHCD"[: env.game_size.suits]
        ]


def test_the_expert_plans_anew_only_when_its_plan_is_left(monkeypatch):
    searches = []
    for name in ("solve", "solve_shortest"):
        search = getattr(advice, name)
        monkeypatch.setattr(
            advice, name, lambda *args, search=search: (searches.append(1), search(*args))[1]
        )
    env = make("FreeCell")
    env.reset(options={"deal": 1})
    for _ in range(5):
        action, reason = env.expert()
        assert env.explain(action) == reason
        env.step(action)
    env.step(int(np.flatnonzero(env._mask == 0)[0]))
    assert len(searches) == 1
    action, _ = env.expert()
    other = next(int(one) for one in np.flatnonzero(env._mask) if one != action)
    env.step(other)
    assert len(searches) == 1
    env.expert()
    assert len(searches) == 2
    # A copy knows the plan too.
    copy.deepcopy(env).expert()
    assert len(searches) == 2


def test_a_snapshot_keeps_the_plan():
    """A search from where the plan leads now would find another one."""
    env, other = make("FreeCellFull"), make("FreeCellFull")
    env.reset(seed=1)
    for _ in range(20):
        env.step(env.expert()[0])
    snapshot = json.loads(json.dumps(env.snapshot()))
    other.restore(snapshot)
    for _ in range(5):
        assert other.expert() == env.expert()
        for game in (env, other):
            game.step(game.expert()[0])
    other.restore({name: part for name, part in snapshot.items() if name != "plan"})
    before = other.snapshot()
    with pytest.raises(ValueError, match="the plan of the snapshot is damaged"):
        other.restore({**snapshot, "plan": {"steps": 3}})
    assert other.snapshot() == before


def test_shortest_plans_are_as_long_as_the_exact_values_say():
    env = make("FreeCell")
    for deal in (1, 2):
        env.reset(options={"deal": deal})
        known = env.exact(gamma=0.9)
        env.expert()
        steps = env._planner.plan(env._board)
        assert known.value == pytest.approx(10 * 0.9 ** (len(steps) - 1))
        assert env.expert()[0] in known.optimal_actions
        assert known.success_probability == 1


def test_rewards_and_ends():
    env = make("FreeCellTiny")
    columns = ["S4", "H3", ""]
    env.reset(options={"columns": columns, "cells": ["H4"]})
    assert play(env, "column 1 to column 2")[1:4] == (-0.02, False, False)
    assert play(env, "column 3 to cell")[1:4] == (-0.02, False, False)
    assert play(env, "column 1 to foundation")[1:4] == (0.0, False, False)
    assert not env.info()["is_success"]
    assert play(env, "column 2 to foundation")[1:4] == (0.0, False, False)
    _, reward, terminated, truncated, info = play(env, "cell 1 to foundation")
    assert (reward, terminated, truncated) == (10.0, True, False)
    assert info["is_success"]
    assert info["Moves"] == 5
    assert not info["action_mask"].any()


def test_a_game_without_moves_is_over():
    env = make("FreeCellTiny")
    env.reset(options=DANGEROUS)
    assert env.exact().success_probability == 1
    assert env.exact().action_values[env.action_names.index("column 3 to cell")] == 0
    _, reward, terminated, truncated, info = play(env, "column 3 to cell")
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert not info["is_success"]
    assert env.exact().success_probability == 0


def test_a_lost_game_is_played_to_its_end():
    env = make("FreeCellTiny")
    env.reset(options={"deal": 94})
    assert env.exact().success_probability == 0
    rewards, over = [], False
    while not over:
        action, reason = env.expert()
        assert reason.startswith("no way is left to bring all cards home; ")
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        over = terminated or truncated
    assert set(rewards) == {0.0}
    assert not info["is_success"]


@pytest.mark.parametrize("name", IDS)
def test_moves_run_out(name):
    env = make(name)
    env.reset(seed=0)
    refused = int(np.flatnonzero(env._mask == 0)[0])
    for _ in range(env.max_moves - 1):
        assert env.step(refused)[1:4] == (-0.02, False, False)
    assert env.step(refused)[1:4] == (-0.02, False, True)
    assert env.max_moves == 5 * env.game_size.cards < 300
    # So little is lost by refused moves that a solution outweighs all of them.
    assert env.max_moves * 0.02 < 10


def test_the_last_move_may_solve():
    env = make("FreeCellTiny")
    env.reset(options={"columns": ["S4", "", ""], "cells": []})
    refused = env.action_names.index("column 2 to cell")
    for _ in range(env.max_moves - 1):
        env.step(refused)
    assert "my way home" not in env.expert()[1]
    assert env.exact().success_probability == 1
    assert env.step(env.expert()[0])[1:4] == (10.0, True, False)
    env.reset(options={"columns": ["S4 H4", "", ""], "cells": []})
    for _ in range(env.max_moves - 1):
        env.step(refused)
    assert "my way home takes 2 moves, and 1 are left" in env.expert()[1]
    assert env.exact().success_probability == 0


def test_infos_tell_the_position():
    env = make("FreeCell")
    _, info = env.reset(options=MIDDLE)
    assert info["state"] == {
        "foundations": "4S 4H AC 2D",
        "cells": "4D -",
        "columns": "1: 6S 5H | 2: 6D 2C 3D | 3: 5C | 4: - | 5: 6H 6C 4C 5D | 6: 5S 3C",
    }
    assert info["Columns"] == MIDDLE["columns"]
    assert info["Cells"] == ["D4", ""]
    assert info["Foundations"] == ["S4", "H4", "CA", "D2"]
    # Infos are options again.
    again = {"columns": info["Columns"], "cells": info["Cells"]}
    assert env.reset(options=again)[1]["state"] == info["state"]


def test_deals_by_number(monkeypatch):
    env = make("FreeCellFull")
    number = min(UNSOLVED[env.game_size])
    _, info = env.reset(options={"deal": 1})
    assert info["Columns"][0] == "DJ DK S2 C4 S3 D6 S6"
    # Whoever asks for a deal without known solution gets it.
    monkeypatch.setattr(solver, "_MAX_EACH", 10)
    assert env.reset(options={"deal": number})[1]["Moves"] == 0
    assert "I see no way to bring all cards home" in env.expert()[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"deal": 0}, "deal=0: expected 1 to 32000"),
        ({"deal": "1"}, "deal='1': expected a whole number"),
        ({"deal": 1, "cells": []}, "or pass the key 'deal' alone"),
        ({"columns": ["SA"], "cells": []}, "expected a list of 3 texts"),
        ({"columns": ["SA", "", ["H4"]], "cells": []}, r"has \['H4'\]: expected card codes"),
        ({"columns": ["S4", "X4", ""], "cells": []}, "'X4' is not a card"),
        ({"columns": ["S4", "C4", ""], "cells": []}, "the card C4: expected every card"),
        ({"columns": ["S4", "S5", ""], "cells": []}, "the card S5: expected every card"),
        ({"columns": ["S4", "S4", ""], "cells": []}, "the card S4: expected every card"),
        ({"columns": ["S2", "S4", ""], "cells": []}, "the card S3: expected every card"),
        ({"columns": ["S4", "", ""], "cells": "H4"}, "cells'\\]='H4': expected a list"),
        ({"columns": ["S4", "", ""], "cells": ["H4", "H3"]}, "expected at most 1 cards"),
        ({"columns": ["", "", ""], "cells": []}, "the game would be over"),
        (
            {"columns": ["SA H3 S2", "HA S3 H2", "S4"], "cells": ["H4"]},
            "the game would be over",
        ),
    ],
    ids=str,
)
def test_bad_options(options, told):
    env = make("FreeCellTiny")
    env.reset(seed=0)
    before = env.snapshot()
    with pytest.raises(ValueError, match=told):
        env.reset(options=options)
    assert env.snapshot() == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("column 1 to foundation", "5H is next on the foundation of hearts, so I choose"),
        ("column 3 to foundation", "the foundation of clubs needs 2C before 5C, yet I choose"),
        ("column 1 to cell", "5H can wait in a free cell, so I choose"),
        ("column 1 to column 4", "column 4 is empty and takes 5H, so I choose"),
        ("column 4 to column 1", "column 4 is empty, yet I choose"),
        ("cell 2 to column 1", "cell 2 is empty, yet I choose"),
        ("cell 1 to column 3", "4D goes on 5C, so I choose"),
        ("column 6 to column 3", "3C does not go on 5C, yet I choose"),
    ],
)
def test_reasons_are_true_of_good_and_bad_moves(name, told):
    env = make("FreeCell")
    env.reset(options=MIDDLE)
    assert env.explain(env.action_names.index(name)).endswith(f"{told} {name}")


def test_a_plan_says_what_it_is_for():
    env = make("FreeCellTiny")
    env.reset(options={"columns": ["S2 S4 S3", "", ""], "cells": []})
    told = env.expert()[1]
    assert told.startswith("next home is 2S, which lies under 2 cards in column 1; 3S ")
    play(env, "column 1 to cell")
    assert env.expert()[1] == (
        "next home is 2S, which lies under 1 card in column 1; column 2 is empty and takes 4S, "
        "so I choose column 1 to column 2"
    )
    env.reset(options={"columns": ["S4 S3", "", ""], "cells": ["S2"]})
    assert env.expert()[1] == (
        "2S is next on the foundation of spades, so I choose cell 1 to foundation"
    )


def test_it_can_be_played_as_text():
    env = TextObservation(gym.make("gym_cards/FreeCellFull-v0", size=64))
    text, _ = env.reset(options={"deal": 1})
    assert text.splitlines()[0] == "foundations: - - - -"
    assert text.splitlines()[2].startswith("columns: 1: JD KD 2S 4C 3S 6D 6S | 2: 2D KC")


def test_the_picture_follows_every_move():
    env = make("FreeCell", size=120)
    rng = np.random.default_rng(3)
    _, info = env.reset(seed=3)
    for _ in range(60):
        info = env.step(int(rng.choice(np.flatnonzero(info["action_mask"]))))[4]
        assert np.array_equal(env._frame(), picture_of(env, info))
        if not env._playing:
            _, info = env.reset()
