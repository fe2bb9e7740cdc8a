"""The rooms of vlm_agent: who may import whom, what stays free of torch, how large files are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vlm_agent"
# A room imports from itself and from those before it.
ROOMS = (
    "core",
    "config",
    "distributed",
    "models",
    "engines",
    "rollout",
    "data",
    "evaluation",
    "training",
    "planning",
    "serving",
    "reporting",
    "integrations",
    "cli",
)
# What needs a library that is installed in an environment of its own; tested there.
ELSEWHERE = tuple(
    f"vlm_agent.integrations.{name}" for name in ("openenv", "skyrl_gym", "verifiers")
)
WITHOUT_TORCH = ("core", "config", "rollout", "data", "evaluation", "reporting", "integrations")
MOST_LINES = 420
MOST_FILES = 13  # with __init__.py


def sources(folder=PACKAGE):
    return sorted(folder.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in sources()}


def imported(path, *, typing=True):
    """The modules of the package that a file imports, also inside functions.

    Args:
        typing: Whether to count those that are imported for types alone.
    """
    waiting, found = [ast.parse(path.read_text(encoding="utf-8"))], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return {name for name in found if name.split(".")[0] == "vlm_agent"}


def room_of(module):
    return module.split(".")[1] if module.count(".") else None


def test_the_rooms_are_all_there():
    found = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert found == set(ROOMS)


@pytest.mark.parametrize("path", sources(), ids=lambda path: module_of(path))
def test_imports_go_upwards(path):
    room = room_of(module_of(path))
    if room not in ROOMS:  # the package itself may import all
        return
    allowed = ROOMS[: ROOMS.index(room) + 1]
    # What is imported for types alone is never run.
    for module in imported(path, typing=False):
        assert room_of(module) in allowed, f"{module_of(path)} imports {module}"


def test_the_packages_do_not_import_each_other():
    for package, others in (
        ("vlm_agent", ("gym_cards", "baselines")),
        ("gym_cards", ("vlm_agent", "baselines")),
    ):
        for path in sources(ROOT / package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                assert not {name.split(".")[0] for name in names} & set(others), path


def test_there_is_no_circle():
    graph = {module_of(path): imported(path, typing=False) for path in sources()}
    done, open_ = set(), []

    def visit(module):
        if module in done or module not in graph:
            return
        assert module not in open_, f"circle: {' -> '.join([*open_, module])}"
        open_.append(module)
        for other in sorted(graph[module]):
            # Importing a module runs its package, which is no circle: names are looked up later.
            if not module.startswith(f"{other}."):
                visit(other)
        open_.pop()
        done.add(module)

    for module in graph:
        visit(module)


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_without_torch(room):
    modules = [module_of(path) for path in sources(PACKAGE / room)]
    modules = [module for module in modules if not module.endswith("__main__")]
    modules = [module for module in modules if not module.startswith(ELSEWHERE)]
    code = f"import sys; [__import__(m) for m in {modules}]; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not {"torch", "transformers"} & set(loaded)


def test_options_are_shown_without_torch():
    code = (
        "import sys\nfrom vlm_agent.cli.main import main\n"
        "try: main(['ppo', '--help'])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stderr.split()
    assert not {"torch", "transformers"} & set(loaded)


@pytest.mark.parametrize("package", ["vlm_agent", "gym_cards", "baselines"])
def test_files_and_folders_stay_small(package):
    for path in sources(ROOT / package):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{path.relative_to(ROOT)} has {lines} lines"
    folders = {path.parent for path in sources(ROOT / package)}
    for folder in folders:
        count = len(list(folder.glob("*.py")))
        assert count <= MOST_FILES, f"{folder.relative_to(ROOT)} has {count} files"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_what_it_offers(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    names = [
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    assert "__all__" in names
