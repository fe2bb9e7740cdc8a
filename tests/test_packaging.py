"""The source distribution, the wheel built from it, and what pyproject.toml says about both."""

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("gym_cards", "vlm_agent")


def build(kind, source, folder):
    """Builds a distribution as pip does, with the setuptools that is installed here."""
    folder.mkdir()
    code = f"from setuptools.build_meta import build_{kind} as build; build({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what git tracks; without git, of this unpacked source distribution."""
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        for name in filter(None, os.fsdecode(listed).split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
    else:
        made = ("*.so", "*.egg-info", "__pycache__", ".venv*", "build", "dist", "runs", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*made))
    return copy


@pytest.fixture(scope="module")
def files(checkout):
    """The names of all files in the repository."""
    paths = (path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths}


@pytest.fixture(scope="module")
def unpacked(checkout, files):
    """The unpacked source distribution. It asks for `files` first: building adds some."""
    path = build("sdist", checkout, checkout.parent / "sdist")
    with tarfile.open(path) as archive:
        # Python 3.11 has filters from 3.11.4 on.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(checkout.parent, **safe)
    return checkout.parent / path.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(unpacked):
    with zipfile.ZipFile(build("wheel", unpacked, unpacked.parent / "wheel")) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_source_distribution_holds_the_whole_repository(unpacked, files):
    assert not {name for name in files if not (unpacked / name).is_file()}


def test_the_wheel_installs_the_two_packages_alone(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_every_file_of_the_packages(wheel, files):
    needed = {name for name in files if name.split("/")[0] in PACKAGES and name[-2:] != ".c"}
    assert not needed - set(wheel.namelist())
    assert not {name for name in wheel.namelist() if name.endswith(".c")}


def test_the_description_has_no_relative_links(metadata):
    description = metadata.get_payload(decode=True).decode()
    assert metadata["Description-Content-Type"] == "text/markdown"
    targets = re.findall(r"\]\(([^)]*)\)", description)
    assert targets == [target for target in targets if re.match(r"https://|#", target)]
    images = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", description)
    prefix = f"{PROJECT['urls']['Repository']}/raw/v{PROJECT['version']}/"
    assert images
    assert all((ROOT / image.removeprefix(prefix)).is_file() for image in images)


def test_the_metadata_says_who_and_where(metadata):
    assert metadata["Author"] == "The gym-cards authors"
    assert f"name: {metadata['Author']}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert len(metadata.get_all("Project-URL")) == len(PROJECT["urls"])


def test_all_versions_agree():
    def literal(package):
        tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
        assigned = {ast.unparse(n.targets[0]): n.value for n in tree.body if type(n) is ast.Assign}
        return ast.literal_eval(assigned["__version__"])

    citation = re.search(
        r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    versions = [literal(package) for package in PACKAGES] + [citation[1]]
    assert versions == [PROJECT["version"]] * 3


def test_every_requirement_has_a_lower_bound():
    script = ROOT / ".ci" / "lowest.py"
    run = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    pinned = dict(line.split("==") for line in run.stdout.splitlines())
    users = {"agent", "alfworld", "api", "baselines", "human"}
    texts = PROJECT["dependencies"] + [
        text for extra in users for text in PROJECT["optional-dependencies"][extra]
    ]
    assert {re.match(r"[\w-]+", text)[0] for text in texts} - {"torch"} <= set(pinned)
