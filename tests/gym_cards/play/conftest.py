import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.play.session import Game, Session


class Corridor(gym.Env):
    """A game in words: walk from room to room until the one with the lamp."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    task_description = "You walk through rooms until you find the lamp."
    action_names = None
    observation_space = gym.spaces.Box(0, 255, (200, 300, 3), np.uint8)
    action_space = gym.spaces.Text(40)

    def __init__(self, render_mode=None, rooms=30):
        self.render_mode, self.rooms = render_mode, rooms

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.room, self.lamp = 0, int(self.np_random.integers(1, self.rooms + 1))
        return self.render(), self._info()

    def step(self, action):
        assert action in self._info()["admissible_commands"]
        self.room = int(action.split()[-1])
        found = self.room == self.lamp
        return self.render(), float(found), found, False, self._info()

    def render(self):
        picture = np.full((200, 300, 3), 240, np.uint8)
        picture[:, : 9 * self.room] = (40, 90, 160)
        return picture

    def expert(self):
        return f"go to room {self.lamp}", f"the lamp is in room {self.lamp}"

    def _info(self):
        rooms = (room for room in range(1, self.rooms + 1) if room != self.room)
        return {
            "state": {"room": str(self.room)},
            "is_success": self.room == self.lamp,
            "admissible_commands": sorted(f"go to room {room}" for room in rooms),
            "task": "find the lamp",
            "observation_text": f"You are in room {self.room}.",
        }


@pytest.fixture
def make_session():
    """Makes sessions; "Corridor" is a game in words."""
    if "play/Corridor-v0" not in gym.registry:
        gym.register("play/Corridor-v0", Corridor, max_episode_steps=20)
    sessions = []

    def make(name, seed=0, recorder=None, **kwargs):
        env_id = "play/Corridor-v0" if name == "Corridor" else f"gym_cards/{name}-v0"
        sessions.append(Session(Game(env_id, kwargs, seed), recorder))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def play():
    """Plays a move of a session by its name."""

    def play(session, name):
        session.play(next(choice for choice in session.choices if choice.name == name))

    return play
