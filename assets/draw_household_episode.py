"""Draws docs/images/alfworld/episode.gif: a game of the expert who knows what it has seen.

Run `python assets/draw_household_episode.py` where `gym_cards[alfworld]` is installed.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
from PIL import Image

import gym_cards
from gym_cards.alfworld.view import art
from gym_cards.render.lettering import draw_text
from gym_cards.render.sprites import Frame

GIF = Path(__file__).resolve().parent.parent / "docs" / "images" / "alfworld" / "episode.gif"
TASK = "pick_heat_then_place_in_recep"
SEED = 4
SIZE = 300
STRIP = 22
MILLISECONDS = 1400


def captioned(picture: Frame, goal: str, command: str) -> Image.Image:
    """A picture between the goal and the command that comes next, in 256 colours."""
    frame = np.full((SIZE + 2 * STRIP, SIZE, 3), art.DARK, np.uint8)
    frame[STRIP : STRIP + SIZE] = picture
    draw_text(frame, goal, 6, 3, "bold-12", art.LIGHT)
    draw_text(frame, command, 6, SIZE + STRIP + 3, "bold-12", (255, 214, 92))
    return Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)


def main() -> None:
    """Plays the game and writes its pictures."""
    gymnasium.register_envs(gym_cards)
    env = gymnasium.make("gym_cards/ALFWorld-v0", task_types=(TASK,), size=SIZE)
    picture, info = env.reset(seed=SEED)
    expert = env.get_wrapper_attr("expert")
    frames = []
    done = False
    while not done:
        command, _ = expert(privileged=False)
        frames.append(captioned(picture, info["task"], f"> {command}"))
        picture, _, terminated, truncated, info = env.step(command)
        done = terminated or truncated
    frames.append(captioned(picture, info["task"], "done" if info["won"] else "not done"))
    env.close()
    durations = [MILLISECONDS] * (len(frames) - 1) + [3 * MILLISECONDS]
    GIF.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(GIF, save_all=True, append_images=frames[1:], duration=durations, loop=0)


if __name__ == "__main__":
    main()
