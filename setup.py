"""Builds the compiled canvas and the long description; everything else is in pyproject.toml.

One build works for Python 3.11 and later. The package is complete without it: where there is no
compiler, or Python has no global lock, which the canvas relies on, plain_canvas.py draws the same.
"""

import re
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
compiled = Extension(
    "gym_cards.pictures._canvas",
    ["gym_cards/pictures/_canvas.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    optional=True,
)


def long_description() -> str:
    """Returns README.md with absolute links, as a package index needs them."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository, tag = project["urls"]["Repository"], f"v{project['version']}"
    text = (HERE / "README.md").read_text(encoding="utf-8")
    relative = r"\((?!\w+:|#)"
    text = re.sub(rf"(!\[[^\]]*\]){relative}", rf"\1({repository}/raw/{tag}/", text)
    return re.sub(rf"\]{relative}", f"]({repository}/blob/{tag}/", text)


readme = {
    "long_description": long_description(),
    "long_description_content_type": "text/markdown",
}
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    setup(**readme)
else:
    setup(**readme, ext_modules=[compiled], options={"bdist_wheel": {"py_limited_api": "cp311"}})
