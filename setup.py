"""Builds the compiled canvas; pyproject.toml holds everything else.

One wheel serves Python 3.11 and later through the stable ABI, which free-threaded builds of Python
do not have. There, and where no compiler is found, the package works without the extension:
plain_canvas.py draws the same pixels.
"""

import sysconfig

from setuptools import Extension, setup

compiled = Extension(
    "gym_cards.pictures._canvas",
    ["gym_cards/pictures/_canvas.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    optional=True,
)

if sysconfig.get_config_var("Py_GIL_DISABLED"):
    setup()
else:
    setup(ext_modules=[compiled], options={"bdist_wheel": {"py_limited_api": "cp311"}})
