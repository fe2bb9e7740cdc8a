"""Draws docs/images/architecture.svg (the rooms of vlm_agent) and docs/images/training_step.svg.

Run `python assets/draw_architecture.py` after imports between rooms have changed. The first picture
is made from the imports in the code; a test compares both files with what this script draws.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"

# From the bottom to the top: a room may import from those before it.
ROOMS = {
    "core": "protocol, observations, prompts, reply parser",
    "config": "options: dataclasses, recipes, parser",
    "distributed": "several processes: Accelerate, FSDP",
    "models": "a Hugging Face VLM as a policy",
    "engines": "vLLM writes the replies",
    "rollout": "environment loop, buffer, advantages",
    "data": "trajectories, demonstrations, export",
    "evaluation": "episodes of any policy, tables, plots",
    "training": "PPO, SFT, losses, checkpoints",
    "planning": "memory of a run, in advance",
    "serving": "API client and server",
    "reporting": "HTML report, live viewer",
    "integrations": "TRL, verl-agent, VAGEN",
    "cli": "the command vlm-agent",
}
COLOURS = {
    **dict.fromkeys(("core", "config", "distributed"), "#dbe9f4"),
    **dict.fromkeys(("models", "engines", "rollout", "data"), "#d8efe0"),
    **dict.fromkeys(("evaluation", "training", "planning"), "#fbe8c8"),
    **dict.fromkeys(("serving", "reporting", "integrations", "cli"), "#ece2f3"),
}
OUTSIDE = "#eeeeee"
INK = "#1f2933"
FAINT = "#9aa5b1"


def room_imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Returns the rooms that each room imports, those for type checking aside."""
    found: dict[str, set[str]] = {}
    for room in ROOMS:
        imported: set[str] = set()
        for path in (root / "vlm_agent" / room).rglob("*.py"):
            for module in _imports(ast.parse(path.read_text(encoding="utf-8"))):
                imported.add(module.split(".")[1])
        found[room] = (imported & set(ROOMS)) - {room}
    return found


def architecture(imports: dict[str, set[str]]) -> str:
    """Returns the rooms as a stack, with a dot for each import, as SVG."""
    names = list(ROOMS)
    height, width, first = 40, 34, 470
    top = 110
    drawing = _Drawing(first + width * len(names) + 24, top + height * len(names) + 24)
    drawing.text(24, 36, "The rooms of vlm_agent", size=18, bold=True)
    drawing.text(24, 60, "Each row imports the rooms that have a dot,", colour=FAINT)
    drawing.text(24, 78, "all of which are below it.", colour=FAINT)
    for column, name in enumerate(names):
        x = first + width * column + width / 2
        drawing.text(x + 4, top - 10, name, size=12, rotate=-55)
    for row, name in enumerate(reversed(names)):
        y = top + height * row
        drawing.box(24, y, first - 36, height - 6, COLOURS[name])
        drawing.text(38, y + 22, name, bold=True)
        drawing.text(150, y + 22, ROOMS[name], size=13)
        for column, other in enumerate(names):
            x = first + width * column
            if other == name:
                drawing.box(x + 3, y, width - 6, height - 6, COLOURS[name])
            elif other in imports[name]:
                drawing.dot(x + width / 2, y + (height - 6) / 2)
    return drawing.svg()


def training_step() -> str:
    """Returns what passes from room to room in one step of training, as SVG."""
    drawing = _Drawing(900, 440)
    drawing.text(24, 36, "One step of training", size=18, bold=True)
    drawing.text(24, 60, "num_envs × rollout_steps times:", colour=FAINT)
    drawing.text(116, 264, "then ppo_epochs times over all minibatches:", colour=FAINT)
    for x, y, room, what in (
        (24, 84, "environment", "step(action)"),
        (254, 84, "core", "build_prompt"),
        (484, 84, "models", "VLMPolicy.act"),
        (714, 84, "core", "parse"),
        (24, 184, "training", "Algorithm.advantages"),
        (254, 184, "rollout", "Rollout"),
        (714, 184, "rollout", "EpisodeRunner.step"),
        (24, 288, "training", "stratified_minibatches"),
        (254, 288, "models", "VLMPolicy.score"),
        (484, 288, "training", "ppo_loss"),
        (714, 288, "training", "OptimizerStep"),
        (714, 378, "training", "checkpoint, metrics"),
    ):
        drawing.box(x, y, 156, 48, COLOURS.get(room, OUTSIDE))
        drawing.text(x + 12, y + 20, room, bold=True)
        drawing.text(x + 12, y + 38, what, size=12)
    for y, labels in (
        (108, ("Observation", "prompt", "text, tokens")),
        (312, ("Batch", "Scores", "Losses")),
    ):
        for x, label in zip((180, 410, 640), labels, strict=True):
            drawing.arrow([(x, y), (x + 74, y)])
            drawing.text(x + 36, y - 6, label, size=11, anchor="middle")
    drawing.arrow([(792, 132), (792, 184)])
    drawing.text(786, 162, "Reply: fields, action, value", size=11, anchor="end")
    drawing.arrow([(870, 208), (884, 208), (884, 72), (102, 72), (102, 84)])
    drawing.text(480, 67, "action", size=11, anchor="middle")
    drawing.arrow([(714, 208), (410, 208)])
    drawing.text(562, 202, "Transition: observation, reply, reward, done", size=11, anchor="middle")
    drawing.arrow([(254, 208), (180, 208)])
    drawing.arrow([(102, 232), (102, 288)])
    drawing.arrow([(792, 336), (792, 378)])
    return drawing.svg()


class _Drawing:
    """An SVG file in the making."""

    def __init__(self, width: float, height: float) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" '
            'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
            '<marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
            f'<path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker>',
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#ffffff"/>',
        ]

    def box(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Adds a filled rectangle with rounded corners."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{fill}"/>'
        )

    def dot(self, x: float, y: float) -> None:
        """Adds a dot."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="6" fill="{INK}"/>')

    def arrow(self, points: list[tuple[float, float]]) -> None:
        """Adds a line through points with a head at its end."""
        line = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(
            f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="1.4" '
            'marker-end="url(#head)"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 14,
        bold: bool = False,
        colour: str = INK,
        rotate: float = 0,
        anchor: str = "start",
    ) -> None:
        """Adds a line of text whose start, middle or end is at a point."""
        extra = ' font-weight="bold"' if bold else ""
        extra += f' text-anchor="{anchor}"' if anchor != "start" else ""
        extra += f' transform="rotate({rotate:g} {x:g} {y:g})"' if rotate else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}"{extra}>'
            f"{escape(text)}</text>"
        )

    def svg(self) -> str:
        """Returns the whole file."""
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            if child.module == "vlm_agent":
                yield from (f"vlm_agent.{alias.name}" for alias in child.names)
            elif child.module.startswith("vlm_agent."):
                yield child.module
        yield from _imports(child)


def main() -> None:
    """Draws and saves both pictures."""
    (IMAGES / "architecture.svg").write_text(architecture(room_imports()), encoding="utf-8")
    (IMAGES / "training_step.svg").write_text(training_step(), encoding="utf-8")


if __name__ == "__main__":
    main()
