"""Wrapper that makes `gymnasium.utils.play` wait for its player."""

from __future__ import annotations

from importlib import resources
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gym_cards.core.keys import keys_to_action, moves_of_keys
from gym_cards.play.drawing import theme
from gym_cards.play.session import by_use

# Lines of the goal and of moves, and how far a page key goes.
_HEAD, _ROWS, _PAGE = 2, 6, 5
# SDL's numbers of Enter, the keypad's Enter, and the arrows and page keys.
_PLAY_KEYS = (13, (1 << 30) + 88)
_CHOOSING_KEYS = {
    (1 << 30) + 81: 1,
    (1 << 30) + 82: -1,
    (1 << 30) + 78: _PAGE,
    (1 << 30) + 75: -_PAGE,
}
_STEPS = (1, -1, _PAGE, -_PAGE)


class KeyboardPlay(gym.Wrapper[Any, Any, Any, Any]):
    """Turns a game into one that `gymnasium.utils.play.play` can be used with.

        play(KeyboardPlay(gym.make("gym_cards/Points24-v0", render_mode="rgb_array")), fps=30)

    That function steps the environment with every picture: with the action of the key that is held
    down, else with action 0. Here action 0 waits, and a key plays one move however long it is held.
    The last picture of an episode stays until another key is pressed, so that the end of an episode
    is returned with that key.

    The keys are those of the environment's `get_keys_to_action`. Where moves are commands in words,
    or more than there are keys, they are listed below the picture: the arrows and page keys choose
    one, and Enter plays it.

    ## Action Space
    `Discrete(n + 1)`: 0 waits, and action i + 1 is action i of the game. With a list `Discrete(6)`:
    wait, play the chosen move, choose the next, the previous, the fifth next or previous.

    Args:
        env: A game with the agent's protocol and `render_mode="rgb_array"`.
    """

    WAIT, PLAY = 0, 1

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        names = env.get_wrapper_attr("action_names")
        self._names: tuple[str, ...] | None = None if names is None else tuple(names)
        keyed = 0 if names is None else len(set(moves_of_keys(names).values()))
        self.is_listed = names is None or keyed < len(names)
        """Whether moves are chosen from a list."""
        self.action_space = spaces.Discrete(
            self.PLAY + 1 + len(_STEPS) if self.is_listed else keyed + 1
        )
        self._chosen = 0
        self._held = self.WAIT
        self._pictures = 0
        self._picture: NDArray[np.uint8] | None = None
        self._over: tuple[bool, bool] | None = None

    def get_keys_to_action(self) -> dict[tuple[str | int, ...], int]:
        """Returns the action of each key."""
        if not self.is_listed and self._names is not None:
            return {key: action + 1 for key, action in keys_to_action(self._names).items()}
        keys: dict[tuple[str | int, ...], int] = {(key,): self.PLAY for key in _PLAY_KEYS}
        for key, by in _CHOOSING_KEYS.items():
            keys[(key,)] = self.PLAY + 1 + _STEPS.index(by)
        return keys

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; a key that is still held plays nothing."""
        self._observation, self._info = self.env.reset(seed=seed, options=options)
        self._over, self._picture, self._chosen, self._pictures = None, None, 0, 0
        return self._observation, self._info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Plays the move of a key that has just been pressed; else nothing happens."""
        # Where the player is waited for, pictures without a step say that the key was let go.
        is_held = action == self._held and self._pictures <= 1
        self._held, self._pictures = action, 0
        if action == self.WAIT or is_held:
            return self._observation, 0.0, False, False, self._info
        if self._over is not None:
            return self._observation, 0.0, *self._over, self._info
        self._picture = None
        moves = self._moves()
        if self.is_listed and action > self.PLAY:
            by = _STEPS[action - self.PLAY - 1]
            self._chosen = min(max(self._chosen + by, 0), len(moves) - 1)
            return self._observation, 0.0, False, False, self._info
        first = int(getattr(self.env.action_space, "start", 0))
        move = moves[self._chosen][1] if self.is_listed else first + action - 1
        self._observation, reward, terminated, truncated, self._info = self.env.step(move)
        self._chosen = 0
        if terminated or truncated:
            self._over = (terminated, truncated)
        return self._observation, reward, False, False, self._info

    def render(self) -> Any:
        """Returns the picture, with the list of moves below it if there is one."""
        self._pictures += 1
        if self._picture is None:
            # Kept, because a short press is missed while a picture is drawn.
            picture = np.asarray(self.env.render(), np.uint8)
            self._picture = self._with_list(picture) if self.is_listed else picture
        return self._picture.copy()

    def _moves(self) -> list[tuple[str, str | int]]:
        """Returns the moves that can be made now, each with the game's action."""
        if self._names is None:
            return [(name, name) for name in sorted(self._info["admissible_commands"], key=by_use)]
        mask = self._info.get("action_mask", np.ones(len(self._names), np.int8))
        first = int(getattr(self.env.action_space, "start", 0))
        return [(name, first + i) for i, name in enumerate(self._names) if mask[i]]

    def _with_list(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = picture.shape[:2]
        pitch = max(14, width // 16)
        margin = pitch // 2
        size = (width, height + (_HEAD + _ROWS) * pitch + margin)
        image = Image.new("RGB", size, theme.FELT_DARK)
        image.paste(Image.fromarray(picture))
        pen = ImageDraw.Draw(image)
        font = _font(round(0.7 * pitch))
        moves = self._moves()
        words = str(self._info.get("task", "Choose a move"))
        if self._over is not None:
            words, moves = "The episode is over: press Enter", []
        top = height + margin // 2
        for line in _lines(words, width - 2 * margin, font):
            pen.text((margin, top), line, theme.BRASS, font)
            top += pitch
        top = height + margin // 2 + _HEAD * pitch
        first = min(max(self._chosen - _ROWS // 2, 0), max(len(moves) - _ROWS, 0))
        for index, (name, _) in enumerate(moves[first : first + _ROWS], start=first):
            room, ink = width - 2 * margin, theme.TEXT
            if index == self._chosen:
                pen.rectangle((margin // 2, top, width - margin // 2, top + pitch - 1), theme.IVORY)
                ink = theme.INK
                place = f"{index + 1}/{len(moves)}"
                pen.text((width - margin, top), place, ink, font, anchor="ra")
                room -= round(font.getlength(place)) + margin
            pen.text((margin, top), _cut(name, room, font), ink, font)
            top += pitch
        return np.asarray(image)


def _font(size: int) -> ImageFont.FreeTypeFont:
    file = resources.files("gym_cards.play") / "art" / "Inter-Medium.ttf"
    with resources.as_file(file) as path:
        return ImageFont.truetype(str(path), size)


def _cut(words: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """Returns a line, shortened with an ellipsis if it is too wide."""
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(words + "…") > width:
        words = words[:-1]
    return words + "…"


def _lines(words: str, width: float, font: ImageFont.FreeTypeFont) -> list[str]:
    """Breaks words into `_HEAD` lines, the last one shortened if necessary."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1] or len(lines) == _HEAD:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, width, font) for line in lines]
