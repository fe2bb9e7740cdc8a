"""Who may import whom: the packages stay apart, and heavy imports wait until they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = frozenset(sys.stdlib_module_names)
CARDS = "gym_cards.cards"
VALUES = "gym_cards.core.action_values"
DRAWING = {"numpy", "PIL", CARDS, "gym_cards.render"}
ENVIRONMENT = {"numpy", "gymnasium", CARDS, "gym_cards.core", "gym_cards.render"}
# What a module of gym_cards may import at its top level, besides the standard library. A rule for a
# folder holds for all of its modules that have no rule of their own.
MAY_IMPORT = {
    "__init__": {"gymnasium"},
    "cards": {"numpy"},
    "wrappers": {
        *("numpy", "gymnasium", "gym_cards.core.shared_text", "gym_cards.core.texts"),
        *("gym_cards.points.formula", "gym_cards.points.solver"),
    },
    "render": DRAWING,
    "core": ENVIRONMENT,
    "core/action_values": set(),
    "core/checks": {"numpy", "gymnasium", CARDS},
    "core/infos": {"numpy"},
    "core/search": {VALUES},
    "core/keys": set(),
    "core/shared_text": {"numpy", "gymnasium"},
    "core/texts": {"numpy"},
    "core/viewer": set(),
    "core/window": {"numpy", "gymnasium", "gym_cards.core.viewer"},
    "number_line": ENVIRONMENT | {"gym_cards.number_line"},
    "number_line/exact": {VALUES},
    "number_line/picture": DRAWING | {"gym_cards.number_line.drawn_line"},
    "number_line/drawn_line": DRAWING,
    "points": ENVIRONMENT | {"gym_cards.points"},
    "points/formula": set(),
    "points/splits": {CARDS},
    "points/rules": {CARDS, "gym_cards.points.formula"},
    "points/dealer": {"numpy", CARDS}
    | {f"gym_cards.points.{name}" for name in ("rules", "solver", "splits")},
    "points/solver": {VALUES, "gym_cards.points.formula", "gym_cards.points.solver"},
    "points/solver/hands": set(),
    "points/solver/completions": {f"gym_cards.points.solver.{name}" for name in ("hands", "meter")},
    "points/solver/meter": {VALUES},
    "points/exact": {VALUES, "gym_cards.points.solver"},
    "points/picture": DRAWING,
    "blackjack": ENVIRONMENT | {"gym_cards.blackjack"},
    "blackjack/rules": {CARDS},
    "blackjack/odds": {VALUES},
    "blackjack/shoe": {"numpy", VALUES},
    "blackjack/exact": {VALUES, "gym_cards.blackjack.odds", "gym_cards.blackjack.shoe"},
    "blackjack/picture": DRAWING,
    "memory": ENVIRONMENT | {"gym_cards.memory"},
    "memory/rules": {"numpy", CARDS},
    "memory/exact": {VALUES},
    "memory/picture": DRAWING,
    "set_game": ENVIRONMENT | {"gym_cards.set_game"},
    "set_game/rules": {"numpy"},
    "set_game/exact": {VALUES},
    "set_game/drawing": DRAWING | {"gym_cards.set_game.rules"},
    "set_game/picture": DRAWING | {"gym_cards.set_game"},
    "video_poker": ENVIRONMENT | {"gym_cards.video_poker"},
    "video_poker/rules": {"numpy", CARDS},
    "video_poker/exact": {"numpy", CARDS, VALUES, "gym_cards.video_poker.rules"},
    "video_poker/picture": DRAWING | {"gym_cards.video_poker.rules"},
    "freecell": ENVIRONMENT | {"gym_cards.freecell"},
    "freecell/rules": {CARDS},
    "freecell/solver": {"gym_cards.freecell.rules"},
    "freecell/deals": {"numpy", "gym_cards.freecell.rules", "gym_cards.freecell.solver"},
    "freecell/advice": {"gym_cards.freecell.rules", "gym_cards.freecell.solver"},
    "freecell/exact": {VALUES, "gym_cards.freecell.rules", "gym_cards.freecell.solver"},
    "freecell/picture": DRAWING | {"gym_cards.freecell.rules"},
    "alfworld": {"numpy", "gymnasium", "gym_cards.core", "gym_cards.render", "gym_cards.alfworld"},
    "alfworld/packages": {"numpy", "gymnasium"},
    "alfworld/scene": set(),
    "alfworld/games/floor_plans": {
        "numpy",
        *(
            f"gym_cards.alfworld.{name}"
            for name in ("games.alfred", "games.streams", "ids", "packages", "scene")
        ),
    },
    "alfworld/games/alfred": {"numpy"},
    "alfworld/games/catalogue": {"gym_cards.alfworld.games", "gym_cards.core.checks"},
    "alfworld/games/index": set(),
    "alfworld/games/supply": {"numpy", "gym_cards.alfworld.games", "gym_cards.core.checks"},
    "alfworld/ids": {"gym_cards.alfworld.scene"},
    "alfworld/engine": {f"gym_cards.alfworld.{name}" for name in ("engine", "ids", "packages")},
    "alfworld/games": {
        f"gym_cards.alfworld.{name}" for name in ("engine", "games", "ids", "packages", "scene")
    },
    "alfworld/view": {
        *("numpy", "PIL", "gym_cards.render"),
        *("gym_cards.alfworld.scene", "gym_cards.alfworld.view", "gym_cards.core.texts"),
    },
    "play": {"numpy", "gymnasium", "gym_cards.core", "gym_cards.play"},
    "play/keyboard": {"numpy", "PIL", "gymnasium", "gym_cards.core", "gym_cards.play"},
    "play/drawing/painter": {"numpy", "PIL", "gym_cards.core.window", "gym_cards.play.drawing"},
    "play/__main__": {"numpy", "gymnasium", "gym_cards"},
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


def rule_of(name):
    """The rule of a module, given by its path: its own, or that of the closest folder."""
    if name in MAY_IMPORT:
        return MAY_IMPORT[name]
    folder = name.rpartition("/")[0]
    assert folder, f"{name} has no rule: say what it may import"
    return rule_of(folder)


MODULES = [str(p.relative_to(ROOT / "gym_cards").with_suffix("")) for p in sources("gym_cards")]


def test_every_rule_is_needed():
    folders = {name.rpartition("/")[0] for name in MODULES}
    assert set(MAY_IMPORT) <= {*MODULES, *folders}


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_gym_cards_import_what_they_may(name):
    path = ROOT / "gym_cards" / f"{name}.py"
    foreign = {m for m in imported(path, nested=False) if not is_part_of(m, rule_of(name))}
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


@pytest.mark.parametrize("game", ["NumberLine", "EZPoints", "Points24", "Blackjack", "FreeCell"])
def test_playing_needs_no_optional_package(game):
    code = (
        "import gymnasium\n"
        f"env = gymnasium.make('gym_cards:gym_cards/{game}-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "env.step(0)\n"
        "env.render()\n"
    )
    assert not modules_after(code) & (HEAVY | {"vlm_agent", "scipy", "matplotlib"})


@pytest.mark.parametrize("name", ["core.environments", "core.prompts", "core.parsing"])
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
