import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.play.session import Game, Session


class Corridor(gym.Env):
    """A game in words: walk from room to room until the one with the lamp."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
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


class Many(gym.Env):
    """Sixty moves between eight columns, of which a few are accepted, and a long state."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    task_description = "You move cards between columns. " * 12
    action_names = tuple(
        f"column {a} to {f'column {b}' if b < 9 else 'foundation'}"
        for a in range(1, 9)
        for b in range(1, 10)
        if b != a
    )[:60]
    observation_space = gym.spaces.Box(0, 255, (60, 90, 3), np.uint8)
    action_space = gym.spaces.Discrete(60)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.moves = []
        return self.render(), self._info()

    def step(self, action):
        self.moves.append(int(action))
        over = len(self.moves) == 40
        return self.render(), -1.5, over, False, self._info()

    def render(self):
        return np.full((60, 90, 3), 3 * len(self.moves), np.uint8)

    def expert(self):
        action = int(np.flatnonzero(self._mask())[-1])
        return (
            action,
            f"I want it so, and {'very ' * 20}much, so I play {self.action_names[action]}",
        )

    def _mask(self):
        return np.arange(60) % 7 == len(self.moves) % 7

    def _info(self):
        columns = {f"column {i}": " ".join(f"{j}♠" for j in range(2 * i)) for i in range(1, 9)}
        return {"state": columns, "is_success": False, "action_mask": self._mask().astype(np.int8)}


@pytest.fixture
def make_session():
    """Makes sessions; "Corridor" is a game in words, and "Many" has many moves."""
    for env in (Corridor, Many):
        if f"play/{env.__name__}-v0" not in gym.registry:
            gym.register(f"play/{env.__name__}-v0", env, max_episode_steps=50)
    sessions = []

    def make(name, seed=0, recorder=None, hide_state=False, **kwargs):
        env_id = f"{'play' if name in ('Corridor', 'Many') else 'gym_cards'}/{name}-v0"
        sessions.append(Session(Game(env_id, kwargs, seed), recorder, hide_state=hide_state))
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
