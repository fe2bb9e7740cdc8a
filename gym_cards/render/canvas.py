"""Selects the canvas that pictures are drawn on: the compiled one, or the plain one without it."""

from __future__ import annotations

try:
    from gym_cards.render._canvas import Canvas
except ImportError:
    from gym_cards.render.plain_canvas import Canvas

__all__ = ["Canvas"]
