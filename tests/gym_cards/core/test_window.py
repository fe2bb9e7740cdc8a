import builtins
import io
import pickle
import sys
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

import gym_cards  # noqa: F401
from gym_cards.core import viewer
from gym_cards.core.window import Window

pygame = pytest.importorskip("pygame")
pytestmark = pytest.mark.usefixtures("real_windows")

FAST = 1000


def picture(colour=(200, 30, 90), height=300, width=300):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 3, : width // 2] = colour
    return frame


def message(frame):
    return viewer.HEADER.pack(frame.shape[1], frame.shape[0]) + frame.tobytes()


def shown():
    """What the window shows, as (height, width, 3) bytes."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


# ----- the program of a window --------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch):
    pygame.display.quit()
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1920, 1080)])
    yield viewer.Screen(pygame, "a game")
    pygame.display.quit()


def show(screen, frame):
    screen.show((frame.shape[1], frame.shape[0]), frame.tobytes())


@pytest.mark.parametrize(("side", "factor"), [(84, 10), (300, 2), (500, 1), (1000, 1)])
def test_a_window_opens_enlarged_by_a_whole_factor(screen, side, factor):
    frame = picture(height=side, width=side)
    show(screen, frame)
    assert np.array_equal(shown(), frame.repeat(factor, 0).repeat(factor, 1))
    assert pygame.display.get_caption()[0] == "a game"


def test_a_resized_window_shows_all_of_the_picture_with_sharp_edges(screen):
    show(screen, picture(height=84, width=84))
    pygame.display.set_mode((500, 400), pygame.RESIZABLE)
    assert screen.react(pygame.event.Event(pygame.WINDOWRESIZED, x=500, y=400))
    seen = shown()
    assert not seen[:, :50].any()
    assert not seen[:, 450:].any()
    assert np.allclose(seen[5, 55], (200, 30, 90), atol=4)
    middle = seen[10]
    blurred = (abs(middle.astype(int) - middle[60]) > 4).any(axis=1) & (middle > 4).any(axis=1)
    assert blurred.sum() <= 2, "an edge is at most a pixel wide"
    pygame.display.set_mode((40, 100), pygame.RESIZABLE)
    screen.react(pygame.event.Event(pygame.WINDOWRESIZED, x=40, y=100))
    seen = shown()
    assert seen[31:40, 2:18].all(axis=1).all()
    assert not seen[:30].any()


def test_a_picture_of_another_size_keeps_the_window(screen):
    show(screen, picture())
    show(screen, picture(height=100, width=200))
    assert pygame.display.get_surface().get_size() == (600, 600)
    assert not shown()[:150].any()
    assert np.array_equal(shown()[150, 0], (200, 30, 90))


@pytest.mark.parametrize(
    ("event", "stays"),
    [
        (pygame.event.Event(pygame.QUIT), False),
        (pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w, mod=pygame.KMOD_LCTRL), False),
        (pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w, mod=0), True),
        (pygame.event.Event(pygame.MOUSEMOTION, pos=(1, 1)), True),
    ],
)
def test_the_player_closes_it_as_any_window(screen, event, stays):
    show(screen, picture())
    assert screen.react(event) is stays


def test_the_program_shows_what_it_reads_until_it_is_closed(screen):
    """The last picture before the end, also if the end comes in the middle of another."""
    frames = [picture(), picture((1, 2, 3)), picture((7, 8, 9))]
    stream = io.BytesIO(b"".join(map(message, frames)) + message(frames[0])[:-1])
    answers = io.BytesIO()
    viewer.watch(screen, pygame, stream, answers)
    assert answers.getvalue() == viewer.READY
    assert np.array_equal(shown(), frames[-1].repeat(2, 0).repeat(2, 1))
    viewer.watch(screen, pygame, io.BytesIO(), answers)
    assert answers.getvalue() == viewer.READY


def test_the_program_ends_where_it_is_told_to(screen):
    """A forked process may hold the pipe open, so that its input has no end."""
    end = viewer.HEADER.pack(0, 0)
    stream = io.BytesIO(message(picture()) + end + message(picture((7, 8, 9))))
    viewer.watch(screen, pygame, stream, io.BytesIO())
    assert np.array_equal(shown(), picture().repeat(2, 0).repeat(2, 1))
    sent = io.BytesIO()
    window = Window("a title", FAST)
    window._process = SimpleNamespace(
        stdin=sent, stdout=io.BytesIO(), wait=lambda timeout: 0, kill=lambda: None
    )
    sent.close = lambda: None
    window.close()
    assert sent.getvalue() == end


# ----- windows of games ---------------------------------------------------------------------------


def test_two_games_have_two_windows(monkeypatch):
    envs = [
        gym.make(f"gym_cards/{game}-v0", render_mode="human", disable_env_checker=True)
        for game in ("NumberLine", "Blackjack")
    ]
    first, second = (env.unwrapped for env in envs)
    for env in envs:
        monkeypatch.setitem(env.unwrapped.metadata, "render_fps", FAST)
        env.reset(seed=1)
    assert first._window.is_shown
    assert second._window.is_shown
    envs[0].close()
    assert second._window.is_shown
    envs[1].step(1)
    # As when the player closes it.
    second._window._process.terminate()
    second._window._process.wait()
    for seed in range(2):
        envs[1].reset(seed=seed)
        assert not second._window.is_shown
    envs[1].close()
    envs[1].close()


@pytest.mark.parametrize("game", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_human_mode_shows_every_state(game, monkeypatch):
    sent = []
    monkeypatch.setattr(Window, "show", lambda window, frame: sent.append((window._title, frame)))
    env = gym.make(f"gym_cards/{game}-v0", render_mode="human", disable_env_checker=True)
    observations = [env.reset(seed=1)[0], env.step(1)[0], env.reset(seed=2)[0]]
    assert {title for title, _ in sent} == {f"gym_cards/{game}-v0"}
    for observation, (_, frame) in zip(observations, sent, strict=True):
        assert np.array_equal(observation, frame)
    env.close()


def test_a_copy_of_a_watched_game_opens_its_own_window(monkeypatch):
    made = []
    monkeypatch.setattr(Window, "show", lambda window, _: made.append(window))
    env = gym.make("gym_cards/NumberLine-v0", render_mode="human").unwrapped
    env.reset(seed=0)
    again = pickle.loads(pickle.dumps(env))
    again.step(0)
    assert len(set(made)) == 2


def test_pictures_come_at_the_frame_rate(monkeypatch):
    window, now, slept = Window("a game", 20), 100.0, []
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(window, "_start", lambda _: None)
    window.show(picture())
    now += 0.02
    window.show(picture())
    now += 1.0
    window.show(picture())
    assert slept == pytest.approx([0.0, 0.03, 0.0])
    window.close()


def test_a_window_that_cannot_open_is_an_error(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "nowhere")
    window = Window("a game", FAST)
    with pytest.raises(gym.error.Error, match="cannot open a window: nowhere not available; run"):
        window.show(picture())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_a_warning_says_that_nothing_is_seen(monkeypatch):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    window = Window("a game", FAST)
    with pytest.warns(UserWarning, match="shows nothing, because there is no display"):
        window.show(picture())
    assert window.is_shown, "as on machines that only run tests"
    window.close()


def test_a_missing_pygame_names_the_command(monkeypatch):
    real_import = builtins.__import__

    def without_pygame(name, *args, **kwargs):
        if name == "pygame":
            raise ModuleNotFoundError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pygame)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "gym-cards\[human\]"'):
        Window("a game", FAST)
