"""Pages of the API reference, one for each module that users may import."""

from __future__ import annotations

from pathlib import Path

PACKAGES = ("gym_cards", "vlm_agent")
# Programs for the command line.
PROGRAMS = (("gym_cards", "play"), ("vlm_agent", "cli"), ("vlm_agent", "commands"))


def modules(root: Path) -> list[str]:
    """Returns the full names of all modules of the packages, except for programs."""
    names = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[:2] in PROGRAMS or parts[-1] == "__main__":
                continue
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(names)


def api_pages(root: Path) -> dict[str, str]:
    """Returns the pages' paths and contents, which mkdocstrings fills."""
    return {f"api/{name}.md": f"::: {name}\n" for name in modules(root)}


def api_index(root: Path) -> list[dict[str, list[dict[str, str]]]]:
    """Returns the pages for the navigation, by package."""
    index = []
    for package in PACKAGES:
        names = [name for name in modules(root) if name.split(".")[0] == package]
        pages = [{name.removeprefix(f"{package}."): f"api/{name}.md"} for name in names]
        index.append({package: pages})
    return index
