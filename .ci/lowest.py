"""Prints the lowest allowed version of every direct requirement, as constraints for pip.

Torch is left out: the caller installs its own build first.
"""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
EXTRAS = ("agent", "alfworld", "api", "baselines", "human", "test")


def lowest() -> dict[str, Version]:
    """Returns the lower bound of each requirement of the package, its extras and its tests.

    Raises:
        ValueError: If a requirement has no lower bound.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = list(project["dependencies"])
    for extra in EXTRAS:
        texts += project["optional-dependencies"][extra]
    bounds: dict[str, Version] = {}
    for requirement in map(Requirement, texts):
        if requirement.name in ("torch", project["name"]):
            continue
        if requirement.marker and not requirement.marker.evaluate():
            continue
        found = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
        if not found:
            raise ValueError(f"{requirement} has no lower bound: give it one with >=")
        bounds[requirement.name] = max(*found, bounds.get(requirement.name, found[0]))
    return bounds


if __name__ == "__main__":
    for name, version in sorted(lowest().items()):
        print(f"{name}=={version}")
