"""Real events through pygame's queue, and what the window then shows."""

import numpy as np
import pytest
from PIL import Image

from gym_cards.play.app import App
from gym_cards.play.drawing import theme

pygame = pytest.importorskip("pygame")


class Player:
    """Presses keys and clicks, as a person would."""

    def __init__(self, app):
        self.app = app

    def send(self, *events):
        for event in events:
            pygame.event.post(event)
        self.app.update(wait=0)

    def type(self, text):
        for character in text:
            key = {"\r": pygame.K_RETURN, "\t": pygame.K_TAB}.get(character)
            self.key(key or pygame.key.key_code(character), character)

    def key(self, key, unicode="", mod=0):
        self.send(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=unicode, mod=mod))

    def control(self, letter):
        self.key(pygame.key.key_code(letter), chr(ord(letter) - 96), pygame.KMOD_LCTRL)

    def button(self, id):
        return next(button for button in self.app.buttons if button.id == id)

    def place(self, id):
        return tuple(round(v * self.app.scale) for v in self.button(id).rect.centre)

    def hover(self, id):
        self.send(pygame.event.Event(pygame.MOUSEMOTION, pos=self.place(id)))

    def click(self, id, release_on=None):
        down, up = self.place(id), self.place(release_on or id)
        self.send(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=down))
        self.send(pygame.event.Event(pygame.MOUSEBUTTONUP, button=1, pos=up))

    def colour(self, id):
        """The colour of a button's left edge, where no letter stands."""
        rect = self.button(id).rect
        x, y = round((rect.x + 5) * self.app.scale), round(rect.centre[1] * self.app.scale)
        return tuple(pygame.display.get_surface().get_at((x, y)))[:3]


def shown():
    """What the window shows, as (height, width, 3) bytes."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def shown_picture(app):
    """The game's picture as it stands in the window, in one size."""
    left, top, width, height = (round(v * app.scale) for v in app.picture_place)
    part = Image.fromarray(shown()[top : top + height, left : left + width])
    return np.asarray(part.resize((150, 150), Image.Resampling.BOX), int)


def assert_picture_shows(app):
    picture = Image.fromarray(app.session.picture)
    expected = np.asarray(picture.resize((150, 150), Image.Resampling.BOX), int)
    inside = np.s_[3:-3, 3:-3]  # corners are rounded
    assert np.abs(shown_picture(app) - expected)[inside].mean() < 4


@pytest.fixture
def open_window(make_session, monkeypatch):
    pygame.display.quit()
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(4000, 3000)])
    apps = []

    def open_window(name, scale=1.0, **kwargs):
        apps.append(App(make_session(name, **kwargs), scale))
        pygame.event.clear()
        apps[-1].draw()
        return apps[-1], Player(apps[-1])

    yield open_window
    for app in apps:
        app.close()


def names(app):
    return [move.name for move in app.session.moves]


@pytest.mark.parametrize(
    "name", ["NumberLine", "EZPoints", "Points24", "Blackjack", "Corridor", "ALFWorld"]
)
def test_an_experts_episode_shows_every_picture(name, open_window):
    # The household draws large pictures slowly.
    app, player = open_window(name, seed=2, **({"size": 300} if name == "ALFWorld" else {}))
    assert pygame.display.get_surface().get_size() == (1280, 800)
    while not app.session.finished:
        assert_picture_shows(app)
        player.control("h")
        (marked,) = [button for button in app.buttons if button.marked]
        assert marked.label == app.session.hint.name
        player.click(marked.id)
        assert names(app)[-1] == marked.label
    assert_picture_shows(app)


def test_many_moves_in_words_are_typed(open_window):
    """Of 32 holds, the places that are typed choose the one that holds no other."""
    app, player = open_window("VideoPoker", seed=3)
    player.type("2 5")
    assert [button.label for button in app.buttons if button.kind == "ivory"] == ["hold 2 5 only"]
    player.type("\r")
    assert app.session.finished
    assert names(app) == ["hold 2 5 only"]


def test_keys_play_a_formula(open_window):
    app, player = open_window("Points24", seed=3, hands="solvable")
    formula = app.session.opening.reason.partition("“")[2].partition("”")[0]
    player.type(formula.replace("10", "0").rstrip("="))
    assert app.session.state["current formula"] + "=" == formula
    player.type("\r")
    assert app.session.won
    assert (app.session.score.episodes, app.session.score.total) == (1, 10.0)
    player.type("n")
    assert (app.session.seed, names(app)) == (4, [])


def numbers(app):
    """The ids of a number that can be played, and of one that would be refused."""
    choices = [choice for choice in app.session.choices if choice.name.isdigit()]
    legal = next(choice for choice in choices if choice.legal)
    refused = next(choice for choice in choices if not choice.legal and len(choice.name) == 1)
    return f"move {legal.action}", f"move {refused.action}"


def test_a_refused_number_is_grey_and_does_nothing(open_window):
    app, player = open_window("Points24", seed=3)
    legal, refused = numbers(app)
    assert not player.button(refused).enabled
    assert player.button(legal).enabled
    assert player.colour(legal) == theme.IVORY
    assert player.colour(refused) != theme.IVORY
    before = shown()
    player.click(refused)
    player.type(player.button(refused).label)
    assert names(app) == []
    assert not np.array_equal(before, shown()), "the player is told why"


def test_a_click_counts_where_the_mouse_is_let_go(open_window):
    app, player = open_window("NumberLine", seed=0)
    player.click("move 0", release_on="move 1")
    assert names(app) == []
    player.click("move 1")
    assert names(app) == ["+"]


def test_buttons_show_that_they_are_touched(open_window):
    app, player = open_window("Points24", seed=3)
    legal, _ = numbers(app)
    player.hover(legal)
    assert player.colour(legal) == theme.IVORY_HOVER
    player.send(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=player.place(legal)))
    assert player.colour(legal) == theme.IVORY_PRESSED
    before = shown()
    player.key(pygame.K_TAB)
    assert not np.array_equal(before, shown()), "the focus is to be seen"


def test_a_key_lets_its_button_look_pressed_for_a_moment(open_window, monkeypatch):
    app, player = open_window("Points24", seed=3)
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    player.type("+")
    assert player.colour("move 10") == theme.BAIZE_PRESSED
    now = 1.0
    app.update(wait=0)
    assert player.colour("move 10") == theme.BAIZE


def test_the_keyboard_alone_reaches_every_button(open_window):
    app, player = open_window("Blackjack", seed=3)
    for _ in range(2):
        player.key(pygame.K_TAB)
    player.key(pygame.K_TAB, mod=pygame.KMOD_LSHIFT)
    player.key(pygame.K_RETURN, "\r")
    assert names(app) == ["stand"]
    player.key(pygame.K_RETURN, "\r")
    assert app.session.seed == 4, "Enter goes on after the end"
    player.key(pygame.K_TAB)
    player.key(pygame.K_ESCAPE)
    player.key(pygame.K_RETURN, "\r")
    assert names(app) == [], "nothing is focused"


def test_rules_can_be_read_at_any_time(open_window):
    app, player = open_window("NumberLine", seed=0)

    def log():
        return shown()[round(player.button("rules").rect.bottom + 20) : 730, 700:]

    rules = log()
    player.type("-")
    moves = log()
    assert not np.array_equal(moves, rules)
    player.type("r")
    assert np.array_equal(log(), rules)
    player.click("rules")
    assert np.array_equal(log(), moves)
    assert names(app) == ["-"]


def test_rules_take_the_place_of_commands(open_window):
    app, player = open_window("Corridor", seed=1)
    player.control("r")
    assert not any(button.listed for button in app.buttons)
    player.type("g")
    assert app.line.text == "g"
    assert any(button.listed for button in app.buttons)


def test_commands_are_typed_completed_and_clicked(open_window):
    app, player = open_window("Corridor", seed=1)
    player.type("g\t1")
    assert app.line.text == "go to room 1"
    player.type("7\r")
    assert names(app) == ["go to room 17"]
    assert app.line.text == ""
    player.type("nope\r")
    assert names(app) == ["go to room 17"]
    player.key(pygame.K_ESCAPE)
    player.key(pygame.K_DOWN)
    player.key(pygame.K_RIGHT)
    player.key(pygame.K_RETURN, "\r")
    assert names(app)[-1] == "go to room 4"
    player.type("oom 2")
    player.key(pygame.K_BACKSPACE)
    assert app.line.text == "oom "
    player.key(pygame.K_BACKSPACE, mod=pygame.KMOD_LCTRL)
    assert app.line.text == ""
    player.control("n")
    assert (app.session.seed, names(app)) == (2, [])


def test_commands_scroll(open_window):
    app, player = open_window("Corridor", seed=1)

    def listed():
        return [button.label for button in app.buttons if button.listed]

    assert listed()[0] == "go to room 1"
    assert "go to room 30" not in listed()
    for _ in range(40):
        player.send(pygame.event.Event(pygame.MOUSEWHEEL, y=-1))
    assert listed()[-1] == "go to room 30"
    for _ in range(40):
        player.send(pygame.event.Event(pygame.MOUSEWHEEL, y=1))
    assert listed()[0] == "go to room 1"
    for _ in range(14):
        player.key(pygame.K_DOWN)
    assert "go to room 29" in listed()


def test_one_of_many_moves_is_typed(open_window):
    """Only those that the rules accept are listed, and the numbers in their names tell them."""
    app, player = open_window("Many", seed=1)
    accepted = app.session.commands
    player.type("1 2\r")
    assert names(app) == ["column 1 to column 2"]
    assert accepted != app.session.commands
    player.control("h")
    (marked,) = [button for button in app.buttons if button.marked]
    player.click(marked.id)
    assert names(app)[1] == app.session._env.unwrapped.action_names[57]
    for _ in range(3):
        player.key(pygame.K_PAGEDOWN)
    last = app.session.commands[-1]
    player.key(pygame.K_RETURN, "\r")
    assert names(app)[2] == last


def test_moves_without_the_state_show_nothing_of_it(open_window):
    """Two deals whose pictures are made equal look equal in every other part of the window."""
    views = []
    for seed in (3, 4):
        app, _ = open_window("Points24", seed=seed, hide_state=True)
        app.session._picture = np.zeros((8, 8, 3), np.uint8)
        app.session.seed = 0
        app.draw()
        views.append(shown())
        app.close()
    assert np.array_equal(*views)


def test_focus_reaches_the_tools_of_a_game_in_words(open_window):
    app, player = open_window("Corridor", seed=1)
    player.key(pygame.K_TAB, mod=pygame.KMOD_LSHIFT)
    while player.app.focus != "hint":
        player.key(pygame.K_TAB)
    player.key(pygame.K_SPACE, " ")
    assert app.session.hint is not None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Points24", (640, 400)),
        ("Points24", (2560, 1600)),
        ("Corridor", (1000, 900)),
        ("Corridor", (1920, 1080)),
    ],
)
def test_the_window_can_have_any_size(name, size, open_window):
    app, player = open_window(name, seed=3)
    pygame.display.set_mode(size, pygame.RESIZABLE)  # as a pull at the window's corner does
    player.send(pygame.event.Event(pygame.VIDEORESIZE, size=size, w=size[0], h=size[1]))
    assert_picture_shows(app)
    for button in app.buttons:
        assert button.listed or button.rect.x >= 0
        assert button.rect.right * app.scale <= size[0]
        assert button.listed or button.rect.bottom * app.scale <= size[1]
    player.click("hint")
    assert app.session.hint is not None


def test_it_opens_as_large_as_asked_if_the_screen_has_room(open_window, monkeypatch):
    app, _ = open_window("NumberLine", scale=2.0)
    assert pygame.display.get_surface().get_size() == (2560, 1600)
    assert app.scale == 2
    app.close()
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1280, 720)])
    open_window("NumberLine", scale=2.0)
    width, height = pygame.display.get_surface().get_size()
    assert width <= 1280
    assert height <= 720


@pytest.mark.parametrize("letter", ["q", "w", None])
def test_closing_the_window_ends_the_game(letter, open_window):
    app, player = open_window("NumberLine")
    if letter is None:
        player.send(pygame.event.Event(pygame.QUIT))
    else:
        player.control(letter)
    app.run()
    assert not app.open
    assert not pygame.display.get_init()
