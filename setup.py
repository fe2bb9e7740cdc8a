"""Compiles the canvas that pictures are drawn on; all else is in pyproject.toml.

One build is for Python 3.11 and all later ones, save those without a global lock, which have no
stable interface. Where nothing can be compiled the package is complete without it: what
gym_cards/pictures/plain_canvas.py draws is the same.
"""

import sysconfig

from setuptools import Extension, setup

stable = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "gym_cards.pictures._canvas",
            ["gym_cards/pictures/_canvas.c"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if stable else [],
            py_limited_api=stable,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if stable else {},
)
