"""Window of the game: keys, clicks, and drawing."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from importlib.resources import as_file, files
from typing import Any

from gym_cards.core.keys import moves_of_keys
from gym_cards.core.window import load_pygame
from gym_cards.play.command_line import CommandLine
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.layout import (
    SIZE,
    arrange,
    columns_in,
    command_area,
    command_buttons,
    list_height,
    move_buttons,
    picture_place,
    result_button,
    scale_for,
    scroll_to,
    tool_buttons,
)
from gym_cards.play.drawing.painter import Painter
from gym_cards.play.drawing.scene import Scene
from gym_cards.play.drawing.view import draw, draw_waiting
from gym_cards.play.drawing.widgets import Button, Touch
from gym_cards.play.drawing.words import points
from gym_cards.play.session import Choice, Session

# The time that a button looks pressed after its key, in seconds.
_FLASH = 0.12


def open_window(title: str, scale: float) -> None:
    """Opens the window with a message that a game is being set up.

    Args:
        title: The game's title.
        scale: The size of the window: 1 is 1280 × 800, as far as it fits the screen.

    Raises:
        gymnasium.error.DependencyNotInstalled: If pygame is missing.
    """
    # Otherwise Windows would show a small window enlarged and blurred.
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    pygame = load_pygame("a game is played by hand")
    pygame.display.init()
    desktop = pygame.display.get_desktop_sizes()[0]
    # The window's frame and the desktop's bars need room too.
    share = min(scale, *(0.92 * d / s for d, s in zip(desktop, SIZE, strict=True)))
    with as_file(files("gym_cards.render") / "art" / "back-45.png") as icon:
        pygame.display.set_icon(pygame.image.load(str(icon)))
    surface = pygame.display.set_mode([round(size * share) for size in SIZE], pygame.RESIZABLE)
    pygame.display.set_caption(f"{title} – gym-cards")
    painter = Painter()
    painter.fit(surface, share)
    draw_waiting(painter, f"Setting up {title}…")
    pygame.display.flip()


class App:
    """Session that is played in the window, which is opened if necessary.

    Args:
        session: The session to play.
        scale: The size of a new window, with which its contents scale.

    Raises:
        gymnasium.error.DependencyNotInstalled: If pygame is missing.
    """

    def __init__(self, session: Session, scale: float = 1.0) -> None:
        self._pygame = load_pygame("a game is played by hand")
        self.session = session
        self.line = CommandLine() if session.is_typed else None
        self.buttons: list[Button] = []
        self.open = True
        self._touch = Touch()
        self._scroll = 0.0
        self._rules = False
        self._notice = ""
        self._stale = True
        self._flash_ends: float | None = None
        pygame = self._pygame
        self._painter = Painter()
        if not pygame.display.get_init():
            open_window(session.game.title, scale)
        if self.line is not None:
            # A held letter repeats, while a held move is played once.
            pygame.key.set_repeat(400, 40)

    @property
    def scale(self) -> float:
        """The number of pixels in a unit of the layout."""
        return self._painter.scale

    @property
    def focus(self) -> str | None:
        """The button with the keyboard focus."""
        return self._touch.focus

    @property
    def picture_place(self) -> Rect:
        """The place of the game's picture."""
        height, width = self.session.picture.shape[:2]
        return picture_place(self._layout.picture, width, height)

    def run(self) -> None:
        """Plays until the window is closed."""
        while self.open:
            self.update()

    def update(self, wait: int = 1000) -> None:
        """Handles all events, waiting at most this many ms for the first, and draws."""
        pygame = self._pygame
        if self._stale:
            self.draw()
        if self._flash_ends is not None:
            wait = min(wait, max(1, round(1000 * (self._flash_ends - time.monotonic()))))
        events = [pygame.event.wait(wait)] if wait else []
        for event in [*events, *pygame.event.get()]:
            self._handle(event)
        if self._flash_ends is not None and time.monotonic() >= self._flash_ends:
            self._touch.pressed = self._flash_ends = None
            self._stale = True
        if self.open and self._stale:
            self.draw()

    def draw(self) -> None:
        """Draws the window."""
        self._fit()
        self._arrange()
        scene = Scene(
            self.session,
            self._layout,
            self.buttons,
            self._touch,
            self.line,
            self._scroll,
            self._rules,
            self._notice,
        )
        draw(self._painter, scene)
        self._pygame.display.flip()
        self._stale = False

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the window in pixels."""
        self._pygame.display.set_mode((width, height), self._pygame.RESIZABLE)
        self._stale = True

    def close(self) -> None:
        """Closes the window and ends the session."""
        if self.open:
            self.open = False
            self.session.close()
            self._pygame.display.quit()

    def _fit(self) -> None:
        """Adapts the drawing to the window's size."""
        surface = self._pygame.display.get_surface()
        self._painter.fit(surface, scale_for(*surface.get_size()))

    def _arrange(self) -> None:
        """Places everything for the session's state."""
        session = self.session
        layout = arrange(
            *self._painter.size,
            textual=session.is_textual,
            typed=session.is_typed,
            facts=len(session.state) or bool(session.goal),
        )
        self._layout = layout
        if session.finished:
            moves = [result_button(session, layout)]
        elif self._rules and (self.line is not None or layout.is_compact):
            moves = []
        elif self.line is not None:
            area = command_area(layout)
            found = self.line.matches(session.commands)
            most = max(0.0, list_height(len(found), area) - area.height)
            self._scroll = min(max(self._scroll, 0.0), most)
            moves = command_buttons(session, self.line, area, self._scroll)
        else:
            moves = move_buttons(session, layout)
        tools = tool_buttons(session, layout.tools, rules_shown=self._rules)
        self.buttons = [*moves, *tools]
        ids = {button.id for button in self.buttons if button.enabled}
        if self._touch.focus not in ids:
            self._touch.focus = None

    def _handle(self, event: Any) -> None:
        pygame = self._pygame
        if event.type == pygame.QUIT:
            self.close()
        if not self.open or event.type == pygame.NOEVENT:
            return
        if event.type == pygame.MOUSEMOTION:
            self._hover(event.pos)
            return
        self._stale = True
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._press(event.pos)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._release(event.pos)
        elif event.type == pygame.MOUSEWHEEL:
            self._scroll -= 60.0 * event.y
        elif event.type == pygame.KEYDOWN:
            self._notice = ""
            self._key(event)
        # The next event of the batch meets the state that this one left.
        if self.open:
            self._arrange()

    # ----- mouse ----------------------------------------------------------------------------------

    def _at(self, pos: tuple[int, int]) -> Button | None:
        x, y = pos[0] / self._painter.scale, pos[1] / self._painter.scale
        listed = command_area(self._layout)
        for button in self.buttons:
            seen = not button.listed or listed.contains(x, y)
            if button.rect.contains(x, y) and seen:
                return button
        return None

    def _hover(self, pos: tuple[int, int]) -> None:
        button = self._at(pos)
        before, self._touch.hover = self._touch.hover, button.id if button else None
        if before == self._touch.hover:
            return
        self._stale = True
        pygame = self._pygame
        hand = button is not None and button.enabled
        cursor = pygame.SYSTEM_CURSOR_HAND if hand else pygame.SYSTEM_CURSOR_ARROW
        # Some displays have one cursor only.
        with suppress(pygame.error):
            pygame.mouse.set_cursor(cursor)

    def _press(self, pos: tuple[int, int]) -> None:
        button = self._at(pos)
        self._notice = ""
        self._touch.focus = self._flash_ends = None
        self._touch.pressed = button.id if button else None

    def _release(self, pos: tuple[int, int]) -> None:
        button, pressed = self._at(pos), self._touch.pressed
        self._touch.pressed = None
        # As usual, a button counts if the mouse is released where it was pressed.
        if button is not None and button.id == pressed:
            self._activate(button)

    # ----- keyboard -------------------------------------------------------------------------------

    def _key(self, event: Any) -> None:
        pygame = self._pygame
        command = bool(event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META))
        letter = pygame.key.name(event.key)
        if command and letter in ("q", "w"):
            self.close()
        elif letter in ("n", "h", "r") and (command or self.line is None):
            self._press_id({"n": "new", "h": "hint", "r": "rules"}[letter])
        elif self.line is not None and self._touch.focus is None:
            if not self.session.finished:
                self._edit(self.line, event, command)
            elif event.key in (pygame.K_RETURN, pygame.K_KP_ENTER):
                self._press_id("new")
        elif event.key == pygame.K_TAB:
            self._move_focus(-1 if event.mod & pygame.KMOD_SHIFT else 1)
        elif event.key in (pygame.K_RIGHT, pygame.K_DOWN):
            self._move_focus(1)
        elif event.key in (pygame.K_LEFT, pygame.K_UP):
            self._move_focus(-1)
        elif event.key == pygame.K_ESCAPE:
            self._touch.focus = None
        elif event.key in (pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_SPACE):
            self._enter(space=event.key == pygame.K_SPACE)
        elif event.unicode and not command:
            self._type_move(event.unicode.lower())

    def _enter(self, *, space: bool) -> None:
        if self._touch.focus is not None:
            self._press_id(self._touch.focus)
        elif self.session.finished:
            self._press_id("new")
        elif not space:
            self._type_move("\r")

    def _type_move(self, key: str) -> None:
        index = moves_of_keys([choice.name for choice in self.session.choices]).get(key)
        if index is not None and not self.session.finished:
            self._press_id(f"move {index}")

    def _edit(self, line: CommandLine, event: Any, command: bool) -> None:
        """Handles a key while a command is typed."""
        pygame = self._pygame
        self._rules = False
        names = self.session.commands
        area = command_area(self._layout)
        columns = columns_in(area)
        steps = {
            pygame.K_RIGHT: 1,
            pygame.K_LEFT: -1,
            pygame.K_DOWN: columns,
            pygame.K_UP: -columns,
            pygame.K_PAGEDOWN: 10,
            pygame.K_PAGEUP: -10,
        }
        if event.key in (pygame.K_RETURN, pygame.K_KP_ENTER):
            name = line.command(names)
            if name is None:
                self._notice = "No such command can be given here."
            else:
                self._play(next(choice for choice in self.session.choices if choice.name == name))
        elif event.key == pygame.K_TAB and not event.mod & pygame.KMOD_SHIFT:
            line.complete(names)
        elif event.key == pygame.K_TAB:
            self._move_focus(1)
        elif event.key in steps:
            line.move(steps[event.key], names)
        elif event.key == pygame.K_BACKSPACE:
            line.erase(word=command)
        elif event.key == pygame.K_ESCAPE:
            line.clear()
        elif event.unicode.isprintable() and event.unicode and not command:
            line.type(event.unicode)
        self._scroll = scroll_to(line.chosen, area, self._scroll)

    def _move_focus(self, by: int) -> None:
        ids = [button.id for button in self.buttons if button.enabled]
        focus = self._touch.focus
        start = ids.index(focus) if focus in ids else (-1 if by > 0 else 0)
        self._touch.focus = ids[(start + by) % len(ids)]

    # ----- what buttons do ------------------------------------------------------------------------

    def _press_id(self, name: str) -> None:
        """Presses a button by its key, so that it looks pressed for a moment."""
        button = next((button for button in self.buttons if button.id == name), None)
        if button is not None:
            self._activate(button)
            self._touch.pressed = name
            self._flash_ends = time.monotonic() + _FLASH

    def _activate(self, button: Button) -> None:
        if button.id == "rules":
            self._rules = not self._rules
        elif button.id == "new":
            if self.session.is_textual:
                # A house takes a moment to set up.
                self._notice = "Setting up the next game…"
                self.draw()
            self.session.new()
            self._begin_move()
        elif button.id == "hint":
            self._rules = False
            self.session.ask()
            self._show_hint()
        else:
            self._play(self.session.choices[int(button.id.removeprefix("move "))])

    def _play(self, choice: Choice) -> None:
        if not choice.legal:
            self._notice = f"The rules would refuse “{choice.name}” now."
            return
        self.session.play(choice)
        self._begin_move()
        self._notice = f"{choice.name}   {points(self.session.moves[-1].reward)}"

    def _show_hint(self) -> None:
        """Scrolls to the expert's command, and clears typed text that might hide it."""
        hint = self.session.hint
        if self.line is not None and hint is not None:
            self.line.clear()
            place = self.session.commands.index(hint.name)
            self._scroll = scroll_to(place, command_area(self._layout), self._scroll)

    def _begin_move(self) -> None:
        self._rules, self._notice, self._scroll = False, "", 0.0
        if self.line is not None:
            self.line.clear()
