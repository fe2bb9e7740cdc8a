"""Builds the compiled canvas and the long description; pyproject.toml holds everything else.

One wheel serves Python 3.11 and later through the stable ABI, which free-threaded builds of Python
do not have. There, and where no compiler is found, the package works without the extension:
plain_canvas.py draws the same pixels.
"""

import re
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
compiled = Extension(
    "gym_cards.render._canvas",
    ["gym_cards/render/_canvas.c"],
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
