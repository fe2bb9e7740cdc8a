"""Who may import whom: the packages stay apart, and heavy imports wait until they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = frozenset(sys.stdlib_module_names)
GAME = {"numpy", "gymnasium", "gym_cards.pictures"} | {
    f"gym_cards.{name}"
    for name in (
        "game",
        "cards",
        "formula",
        "solver",
        "splits",
        "exact",
        "number_line_exact",
        "points_exact",
        "points_rules",
        "blackjack_odds",
        "blackjack_shoe",
        "blackjack_exact",
    )
}
PICTURES = {"numpy", "PIL", "gym_cards.cards", "gym_cards.pictures"}
# What a module of gym_cards may import when it is imported itself, besides the standard library.
MAY_IMPORT = {
    "__init__": {"gymnasium"},
    "cards": {"numpy"},
    "formula": {"numpy"},
    "solver": {"numpy", "gym_cards.cards", "gym_cards.formula"},
    "exact": set(),
    "number_line_exact": {"gym_cards.exact"},
    "published_solver": {"gym_cards.exact", "gym_cards.formula", "gym_cards.solver"},
    "points_exact": {"gym_cards.exact", "gym_cards.published_solver", "gym_cards.solver"},
    "blackjack_odds": {"gym_cards.exact"},
    "blackjack_shoe": {"numpy", "gym_cards.exact"},
    "blackjack_exact": {
        "gym_cards.exact",
        "gym_cards.blackjack_odds",
        "gym_cards.blackjack_shoe",
    },
    "splits": {"gym_cards.cards"},
    "points_rules": {"gym_cards.cards", "gym_cards.formula"},
    "rendering": PICTURES,
    **{f"pictures/{path.stem}": PICTURES for path in (ROOT / "gym_cards/pictures").glob("*.py")},
    "window": {"numpy", "gymnasium"},
    "wrappers": {"numpy", "gymnasium", "gym_cards.formula", "gym_cards.solver"},
    "game": {
        "numpy",
        "gymnasium",
        "gym_cards.cards",
        "gym_cards.exact",
        "gym_cards.pictures",
        "gym_cards.window",
    },
    "number_line": GAME,
    "points": GAME,
    "blackjack": GAME,
    "vector": {"numpy", "gymnasium", "gym_cards.game"}
    | {f"gym_cards.{game}" for game in ("number_line", "points", "blackjack")},
}
HEAVY = {"pygame", "torch", "alfworld", "transformers", "peft", "stable_baselines3"}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(path, *, nested):
    """The modules that a file imports: by its top level alone, or by its functions as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if nested:
        nodes = list(ast.walk(tree))
    else:
        nodes, waiting = [], [tree]
        while waiting:
            node = waiting.pop()
            nodes.append(node)
            if is_for_type_checkers(node):
                continue
            waiting += [
                child
                for child in ast.iter_child_nodes(node)
                if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            ]
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] not in STANDARD}


def is_for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    )


def is_part_of(name, allowed):
    return any(name == module or name.startswith(f"{module}.") for module in allowed)


def test_every_module_has_its_rule():
    package = ROOT / "gym_cards"
    modules = {str(path.relative_to(package).with_suffix("")) for path in sources("gym_cards")}
    apart = {name for name in modules if name.startswith(("play/", "alfworld/"))}
    assert modules - apart == set(MAY_IMPORT)


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_modules_of_gym_cards_import_what_they_may(name):
    path = ROOT / "gym_cards" / f"{name}.py"
    foreign = {m for m in imported(path, nested=False) if not is_part_of(m, MAY_IMPORT[name])}
    assert not foreign


@pytest.mark.parametrize("path", sources("gym_cards"), ids=lambda path: path.name)
def test_gym_cards_knows_no_agent(path):
    assert not {m for m in imported(path, nested=True) if is_part_of(m, {"vlm_agent", "torch"})}
    assert not {m for m in imported(path, nested=False) if is_part_of(m, HEAVY)}


@pytest.mark.parametrize("path", sources("vlm_agent"), ids=lambda path: path.name)
def test_vlm_agent_knows_no_game(path):
    assert not {m for m in imported(path, nested=True) if is_part_of(m, {"gym_cards"})}


def modules_after(code):
    """The top-level packages that a fresh interpreter has imported after running the code."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in result.stderr.split()}


def test_importing_gym_cards_is_light():
    modules = modules_after("import gym_cards")
    assert not modules & (HEAVY | {"PIL", "vlm_agent"})


def test_stepping_many_needs_no_optional_package():
    code = (
        "import gymnasium\n"
        "envs = gymnasium.make_vec('gym_cards:gym_cards/Points24-v0', num_envs=2)\n"
        "envs.reset(seed=0)\n"
        "envs.step([0, 0])\n"
    )
    assert not modules_after(code) & (HEAVY | {"vlm_agent", "scipy", "matplotlib"})


@pytest.mark.parametrize("game", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_playing_needs_no_optional_package(game):
    code = (
        "import gymnasium\n"
        f"env = gymnasium.make('gym_cards:gym_cards/{game}-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "env.step(0)\n"
        "env.render()\n"
    )
    assert not modules_after(code) & (HEAVY | {"vlm_agent", "scipy", "matplotlib"})


@pytest.mark.parametrize("name", ["task", "prompts", "parsing"])
def test_the_agents_words_need_no_torch(name):
    modules = modules_after(f"import vlm_agent.{name}")
    assert not modules & {"torch", "transformers", "peft", "gym_cards"}


@pytest.mark.parametrize("path", sources("gym_cards") + sources("vlm_agent"), ids=str)
def test_nothing_evaluates_text(path):
    """No `eval` or `exec`; ruff forbids them too, but this holds without it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec"}
