"""Buttons and keys."""

from __future__ import annotations

from dataclasses import dataclass

from gym_cards.play.drawing import theme
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.painter import Painter
from gym_cards.play.drawing.theme import Kind


@dataclass(frozen=True)
class Button:
    """Button.

    Attributes:
        id: Its purpose; "move 3" plays the fourth move.
        rect: Its place.
        label: Its text.
        kind: Its colours.
        caption: The key that presses it, printed small; empty for none.
        enabled: Whether it can be pressed.
        marked: Whether it is the expert's move.
        listed: Whether it is part of a scrolled list, whose labels start at the left.
    """

    id: str
    rect: Rect
    label: str
    kind: Kind = "baize"
    caption: str = ""
    enabled: bool = True
    marked: bool = False
    listed: bool = False


@dataclass
class Touch:
    """Buttons that the player touches, by their ids.

    Attributes:
        hover: The button under the mouse.
        pressed: The button that the mouse holds down, or that a key has just pressed.
        focus: The button with the keyboard focus.
    """

    hover: str | None = None
    pressed: str | None = None
    focus: str | None = None


def draw_button(painter: Painter, button: Button, touch: Touch) -> None:
    """Draws a button in its state: at rest, hovered, pressed, focused, marked or disabled."""
    look = theme.LOOKS[button.kind]
    rect, ink = button.rect, look.ink
    pressed = button.enabled and touch.pressed == button.id
    if not button.enabled:
        painter.box(rect, theme.OFF, radius=theme.BUTTON_RADIUS, edge=theme.PANEL_EDGE)
        ink = theme.OFF_INK
    else:
        fill = look.rest
        if pressed:
            fill = look.pressed
            # It moves down.
            rect = rect._replace(y=rect.y + 2)
        elif touch.hover == button.id:
            fill = look.hover
        shadow = 0.0 if pressed else 5.0
        painter.box(rect, fill, radius=theme.BUTTON_RADIUS, shadow=shadow)
    if button.marked:
        painter.box(
            rect.inset(-4), (0, 0, 0, 0), radius=theme.BUTTON_RADIUS + 4, edge=theme.BRASS, pen=3
        )
    if touch.focus == button.id:
        painter.box(
            rect.inset(-3), (0, 0, 0, 0), radius=theme.BUTTON_RADIUS + 3, edge=theme.FOCUS, pen=2
        )
    _write_label(painter, button, rect, ink)


def _write_label(painter: Painter, button: Button, rect: Rect, ink: theme.Colour) -> None:
    label, (x, y) = button.label, rect.centre
    if button.listed:
        room = rect.width - 20
        size = painter.fitting(label, room, (15, 14, 13, 12), bold=False)
        painter.text(painter.shortened(label, room, size), rect.x + 11, y, size, ink)
        return
    sizes: tuple[float, ...] = (18, 16, 14, 12, 11)
    if len(label) <= 2 or rect.height > 80:
        sizes = (24, 20, *sizes)
    sizes = tuple(size for size in sizes if size <= 0.75 * rect.height) or sizes[-1:]
    room = rect.width - (16 if rect.width > 60 else 6)
    if button.caption and rect.width <= 130:
        # In a narrow button the key is in the corner, above the label or next to it.
        width = painter.width_of(button.caption, 11, bold=True)
        wide = painter.width_of(label, painter.fitting(label, room, sizes, bold=True), bold=True)
        is_above = rect.height >= 46 and width + 12 <= rect.width
        margin = 12 if rect.width < 80 else 16
        if is_above or wide / 2 + width + margin <= rect.width / 2:
            top = rect.y + (12 if is_above else rect.height / 2)
            draw_key(painter, button.caption, rect.right - 10 - width / 2, top, ink)
            if is_above:
                sizes = tuple(size for size in sizes if size <= rect.height - 26) or sizes[-1:]
                y = max(y, rect.y + 20 + sizes[0] / 2)
    elif button.caption:
        width = key_width(painter, button.caption)
        draw_key(painter, button.caption, rect.right - 12 - width / 2, y, ink, framed=True)
        room -= width + 12
        size = painter.fitting(label, room, sizes, bold=True)
        # Centred if that does not meet the key, else centred in what is left.
        x = min(x, rect.x + 8 + room - painter.width_of(label, size, bold=True) / 2)
    size = painter.fitting(label, room, sizes, bold=True)
    shown = painter.shortened(label, room, size, bold=True)
    painter.text(shown, x, y, size, ink, bold=True, align="centre")


def key_width(painter: Painter, caption: str) -> float:
    """Returns the width of a framed key."""
    return max(painter.width_of(caption, 11, bold=True) + 12, 22.0)


def draw_key(
    painter: Painter,
    caption: str,
    x: float,
    y: float,
    ink: theme.Colour = theme.TEXT,
    *,
    framed: bool = False,
) -> None:
    """Draws a key around a point."""
    if framed:
        width = key_width(painter, caption)
        key = Rect(x - width / 2, y - 11, width, 22)
        painter.box(key, (*ink[:3], 26), radius=5, edge=(*ink[:3], 90))
    painter.text(caption, x, y, 11, (*ink[:3], 220), bold=True, align="centre")
