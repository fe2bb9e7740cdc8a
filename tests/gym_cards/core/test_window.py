import builtins

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

import gym_cards  # noqa: F401
from gym_cards.core.window import Window

pygame = pytest.importorskip("pygame")

FAST = 1000


def picture(colour=(200, 30, 90), height=300, width=300):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 3, : width // 2] = colour
    return frame


def shown():
    """What the window shows, as (height, width, 3) bytes."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


@pytest.fixture
def window():
    window = Window("a game", FAST)
    yield window
    window.close()


def test_the_picture_is_shown_as_it_is(window):
    frame = picture()
    window.show(frame)
    assert np.array_equal(shown(), frame)
    assert pygame.display.get_caption()[0] == "a game"


def test_the_window_has_the_pictures_size(window):
    window.show(picture(height=120, width=200))
    assert pygame.display.get_surface().get_size() == (200, 120)
    window.show(picture(height=240, width=100))
    assert np.array_equal(shown(), picture(height=240, width=100))


def test_closing_twice_is_fine(window):
    window.show(picture())
    window.close()
    assert not pygame.display.get_init()
    window.close()


def test_closing_a_window_that_was_never_opened():
    Window("a game", FAST).close()


def test_the_close_button_closes_for_good(window):
    window.show(picture())
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.show(picture())
    assert not pygame.display.get_init()
    window.show(picture())
    assert not pygame.display.get_init()


def test_other_events_are_left_to_others(window):
    window.show(picture())
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_n))
    window.show(picture())
    assert [event.key for event in pygame.event.get(pygame.KEYDOWN)] == [pygame.K_n]


def test_a_second_window_does_not_break_the_first(window):
    other = Window("another game", FAST)
    window.show(picture())
    other.show(picture((1, 2, 3)))
    other.close()
    window.show(picture())
    assert np.array_equal(shown(), picture())


def test_pictures_come_at_the_frame_rate():
    window = Window("a game", 20)
    window.show(picture())
    start = pygame.time.get_ticks()
    for _ in range(4):
        window.show(picture())
    assert pygame.time.get_ticks() - start >= 4 * 50 - 20
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


@pytest.mark.parametrize("game", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_human_mode_shows_every_state(game, monkeypatch):
    env = gym.make(f"gym_cards/{game}-v0", render_mode="human", disable_env_checker=True)
    monkeypatch.setitem(env.unwrapped.metadata, "render_fps", FAST)
    observation, _ = env.reset(seed=1)
    assert np.array_equal(shown(), observation)
    assert pygame.display.get_caption()[0] == f"gym_cards/{game}-v0"
    observation, *_ = env.step(1)
    assert np.array_equal(shown(), observation)
    observation, _ = env.reset(seed=2)
    assert np.array_equal(shown(), observation)
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_a_copy_of_a_watched_game_opens_its_own_window(monkeypatch):
    import pickle

    env = gym.make("gym_cards/NumberLine-v0", render_mode="human").unwrapped
    monkeypatch.setitem(env.metadata, "render_fps", FAST)
    env.reset(seed=0)
    again = pickle.loads(pickle.dumps(env))
    again.step(0)
    env.close()
    again.close()
