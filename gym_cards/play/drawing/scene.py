"""What the window shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gym_cards.play.command_line import CommandLine
from gym_cards.play.drawing.layout import Layout
from gym_cards.play.drawing.widgets import Button, Touch
from gym_cards.play.session import Session


class Scene(NamedTuple):
    """Everything that the window shows.

    Attributes:
        session: The session that is played.
        layout: The places of the parts.
        buttons: All buttons.
        touch: The buttons that the player touches.
        line: The typed command, where moves are typed.
        scroll: The scroll position of its list.
        rules: Whether the rules are shown; where moves are typed, and in a small window, they take
            the moves' place.
        notice: A message in the line of keys; empty for none.
    """

    session: Session
    layout: Layout
    buttons: Sequence[Button]
    touch: Touch
    line: CommandLine | None
    scroll: float
    rules: bool
    notice: str

    @property
    def covers_moves(self) -> bool:
        """Whether the rules are in the moves' place."""
        is_apart = self.line is not None or self.layout.is_compact
        return self.rules and is_apart and not self.session.finished
