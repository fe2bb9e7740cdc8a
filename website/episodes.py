"""Animated picture of an expert's episode."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import gym_cards

FONTS = Path(gym_cards.__file__).parent / "play" / "art"
SEEDS = range(20)
LONG_ENOUGH = 4
SECONDS, LAST_SECONDS = 1.6, 4.0
CAPTION, LINES = 60, 2
LIMIT = 150_000
GROUND, BRIGHT, DIM = (0x1D, 0x24, 0x2B), (0xFF, 0xFF, 0xFF), (0xB9, 0xC4, 0xCE)


@dataclass(frozen=True)
class Moment:
    """Picture that the expert saw, and its move.

    Attributes:
        picture: uint8, shape (height, width, 3).
        action: The text of the action; empty at the end of the episode.
        reason: The expert's reason for it.
        reward: What the action brought.
    """

    picture: NDArray[np.uint8]
    action: str = ""
    reason: str = ""
    reward: float = 0.0


@dataclass(frozen=True)
class Episode:
    """Episode from its first picture to its last.

    Attributes:
        seed: What it was reset with.
        task: The episode's own goal, if it has one.
        moments: What was seen, the end included.
        won: Whether it counts as a success.
    """

    seed: int
    task: str
    moments: tuple[Moment, ...]
    won: bool

    @property
    def steps(self) -> int:
        """The number of actions."""
        return len(self.moments) - 1

    @property
    def total(self) -> float:
        """The sum of all rewards."""
        return sum(moment.reward for moment in self.moments)


def play(env: gym.Env[Any, Any], seed: int) -> Episode:
    """Lets the expert play an episode."""
    _, info = env.reset(seed=seed)
    task = str(info.get("task", ""))
    names = env.get_wrapper_attr("action_names")
    moments = []
    ended = False
    while not ended:
        picture: Any = env.render()
        action, reason = env.get_wrapper_attr("expert")()
        _, reward, terminated, truncated, info = env.step(action)
        name = action if names is None else names[action]
        moments.append(Moment(picture, name, reason, float(reward)))
        ended = terminated or truncated
    last: Any = env.render()
    return Episode(seed, task, (*moments, Moment(last)), bool(info["is_success"]))


def example(env_id: str) -> Episode:
    """Returns a won episode that is long enough to be instructive.

    It is the first one, by seed, of four steps or more, or else the longest of those that were won.
    """
    env = gym.make(env_id, render_mode="rgb_array", disable_env_checker=True)
    best = play(env, SEEDS[0])
    for seed in SEEDS[1:]:
        if best.won and best.steps >= LONG_ENOUGH:
            break
        best = max(best, play(env, seed), key=lambda episode: (episode.won, episode.steps))
    env.close()
    return best


def animation(episode: Episode) -> bytes:
    """Returns the episode as a GIF: each picture with the action chosen on it, and the reason.

    The number on the right is the reward that led to the picture.
    """
    *moments, last = episode.moments
    frames, reward = [], 0.0
    for moment in moments:
        frames.append(_captioned(moment.picture, moment.action, moment.reason, reward))
        reward = moment.reward
    frames.append(_captioned(last.picture, f"sum of rewards {episode.total:g}", "", reward))
    seconds = [SECONDS] * len(moments) + [LAST_SECONDS]
    for colours in (255, 192, 128, 64, 48):
        gif = to_gif(frames, seconds, colours)
        if len(gif) < LIMIT:
            break
    return gif


def to_gif(frames: Sequence[Image.Image], seconds: Sequence[float], colours: int) -> bytes:
    """Returns pictures of one size as an endless GIF; one palette keeps it small."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width, height * len(frames)))
    for row, frame in enumerate(frames):
        strip.paste(frame, (0, height * row))
    # A sample is enough to choose the colours, and this method keeps rare ones.
    sample = strip.resize((width // 2, strip.height // 2), Image.Resampling.NEAREST)
    palette = sample.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=2)
    flat = strip.quantize(palette=palette, dither=Image.Dither.NONE)
    indices = np.asarray(flat).reshape(len(frames), height, width)
    # What stays as it was is transparent, which takes hardly any room.
    clear = colours
    changed = np.where(indices[1:] == indices[:-1], clear, indices[1:]).astype(np.uint8)
    parts = [Image.fromarray(part) for part in (indices[0], *changed)]
    for part in parts:
        part.putpalette(flat.getpalette() or [])
    file = io.BytesIO()
    parts[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=parts[1:],
        duration=[round(1000 * time) for time in seconds],
        loop=0,
        optimize=False,
        transparency=clear,
        disposal=1,
    )
    return file.getvalue()


def _captioned(picture: NDArray[np.uint8], action: str, reason: str, reward: float) -> Image.Image:
    """Returns a picture with a strip below it."""
    height, width = picture.shape[:2]
    image = Image.new("RGB", (width, height + CAPTION), GROUND)
    image.paste(Image.fromarray(picture))
    pen = ImageDraw.Draw(image)
    bold = ImageFont.truetype(str(FONTS / "Inter-Bold.ttf"), 14)
    plain = ImageFont.truetype(str(FONTS / "Inter-Medium.ttf"), 12)
    pen.text((8, height + 17), action, BRIGHT, bold, anchor="ls")
    if reward:
        pen.text((width - 8, height + 17), f"{reward:+g}", DIM, bold, anchor="rs")
    lines = _wrapped(reason, plain, width - 16)
    if len(lines) > LINES:
        lines[LINES - 1 :] = [f"{lines[LINES - 1]} …"]
    for row, line in enumerate(lines):
        pen.text((8, height + 34 + 15 * row), line, DIM, plain, anchor="ls")
    return image


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Breaks a text into lines that fit."""
    for characters in range(len(text), 0, -1):
        lines = textwrap.wrap(text, characters)
        if all(font.getlength(line) <= width for line in lines):
            return lines
    return []
