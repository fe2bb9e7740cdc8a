import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from vlm_agent.cli.main import main
from vlm_agent.cli.players import player_of
from vlm_agent.config.eval import EvalConfig
from vlm_agent.evaluation import LazyPolicy, evaluate, find_player, players, resolve_policy

NUMBER_LINE = "gym_cards/NumberLine-v0"


def always(action):
    """An entry point: `always:1` plays the second action."""
    if not action.isdigit():
        raise FileNotFoundError(f"always:{action}: expected a number")
    return LazyPolicy(lambda: lambda observation: int(action), {"action": action})


@pytest.fixture
def _entry_points(monkeypatch):
    group = players.ENTRY_POINTS
    found = [
        EntryPoint("always", f"{__name__}:always", group),
        EntryPoint("sb3", "baselines.player:load_player", group),
        EntryPoint("broken", "no_such_package.player:find", group),
    ]
    offered = {group: found}
    monkeypatch.setattr(players.metadata, "entry_points", lambda group: offered[group])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


@pytest.mark.usefixtures("_entry_points")
def test_an_entry_point_offers_players():
    player = find_player("always:1")
    assert player.identity == {"action": "1"}
    assert evaluate(resolve_policy(player), NUMBER_LINE, episodes=3).illegal_rate == 0
    with pytest.raises(FileNotFoundError, match="always:x: expected a number"):
        find_player("always:x")


@pytest.mark.usefixtures("_entry_points")
def test_the_command_plays_them(capsys):
    assert main(["eval", "--policy", "always:0", "--env", NUMBER_LINE, "--episodes", "2"]) == 0
    assert "always:0" in capsys.readouterr().out


@pytest.mark.usefixtures("_entry_points")
def test_a_missing_package_is_named(monkeypatch, tmp_path):
    with pytest.raises(ImportError, match="the players of broken: need no_such_package"):
        find_player("broken:x")
    for name in [name for name in sys.modules if name.split(".")[0] == "baselines"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sb3_contrib", None)
        with pytest.raises(ImportError, match=r'pip install "gym-cards\[baselines\]"'):
            find_player("sb3:x")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "baselines", None)
        with pytest.raises(ImportError, match="repository's folder baselines.*in a clone"):
            find_player("sb3:x")
    with pytest.raises(FileNotFoundError, match="no model at"):
        find_player(f"sb3:{tmp_path}")


@pytest.mark.usefixtures("_entry_points")
def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match="always:…, broken:…, recording:…, sb3:…"):
        find_player("nobody:x")


def test_a_finder_takes_precedence():
    player = find_player("api:model", finders={"api": lambda name: lambda observation: None})
    assert evaluate(player, NUMBER_LINE, episodes=2).illegal_rate == 1


def test_a_saved_policy_is_identified_by_its_files_and_settings(make_policy, tmp_path):
    make_policy().save(tmp_path / "policy")
    config = EvalConfig(policy=("-",), env=("-",))
    name = str(tmp_path / "policy")
    plain = player_of(name, config)
    changed = player_of(name, replace(config, temperature=0.5))
    assert plain.identity["files"] == changed.identity["files"]
    assert plain.identity != changed.identity
    assert resolve_policy(changed).generation_config.temperature == 0.5


# No action for "json", which wants a key; the last character for "published".
WITHOUT_KEY = "I choose +"


@pytest.mark.parametrize("parser", [None, "json", "published"])
def test_replies_are_parsed_as_asked_for(parser, make_policy, tmp_path, monkeypatch):
    make_policy().save(tmp_path / "policy")
    config = EvalConfig(policy=("-",), env=("-",), parser=parser)
    policy = resolve_policy(player_of(str(tmp_path / "policy"), config))
    assert policy.generation_config.parser == (parser or "json")
    monkeypatch.setattr(policy.encoder, "decode", lambda tokens: WITHOUT_KEY)
    played = evaluate(policy, NUMBER_LINE, episodes=2)
    assert played.illegal_rate == (0 if parser == "published" else 1)
    policy.save(tmp_path / "again")
    again = resolve_policy(player_of(str(tmp_path / "again"), EvalConfig(("-",), ("-",))))
    assert again.generation_config == policy.generation_config
