"""Compiles the canvas that pictures are drawn on; all else is in pyproject.toml.

One build is for Python 3.11 and all later ones. Where nothing can be compiled, or Python has no
global lock, which the canvas needs, the package is complete without it: plain_canvas.py beside it
draws the same.
"""

import sysconfig

from setuptools import Extension, setup

compiled = Extension(
    "gym_cards.render._canvas",
    ["gym_cards/render/_canvas.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    optional=True,
)

if sysconfig.get_config_var("Py_GIL_DISABLED"):
    setup()
else:
    setup(ext_modules=[compiled], options={"bdist_wheel": {"py_limited_api": "cp311"}})
