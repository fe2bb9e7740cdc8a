"""What pictures are drawn on: the compiled canvas, or the plain one where there is no other."""

from __future__ import annotations

try:
    from gym_cards.render._canvas import Canvas, finish, finish_into
except ImportError:
    from gym_cards.render.plain_canvas import Canvas, finish, finish_into

__all__ = ["Canvas", "finish", "finish_into"]
