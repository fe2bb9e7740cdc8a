"""Card games as pictures: importing this package registers its environments with Gymnasium."""

from gymnasium.envs.registration import register

__version__ = "0.1.0"

# Entry points are strings, so that a game's modules are imported only when it is made.
_GAMES = {
    "NumberLine": "number_line",
    "EZPoints": "points",
    "Points24": "points",
    "Blackjack": "blackjack",
    "Memory": "memory",
    "SET": "set_game",
    "VideoPoker": "video_poker",
    "FreeCell": "freecell",
}

# Each game as published, and variants that are standard test sets.
_IDS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("NumberLine", "NumberLine", {}),
    ("NumberLineLong", "NumberLine", {"max_position": 20}),
    ("NumberLineDrawn", "NumberLine", {"display": "line"}),
    ("EZPoints", "EZPoints", {}),
    ("EZPointsTrain", "EZPoints", {"split": "train"}),
    ("EZPointsTest", "EZPoints", {"split": "test"}),
    ("Points24", "Points24", {}),
    ("Points24Exact", "Points24", {"rules": "exact"}),
    ("Points24Train", "Points24", {"hands": "solvable", "split": "train"}),
    ("Points24Test", "Points24", {"hands": "solvable", "split": "test"}),
    ("Points24Faces", "Points24", {"treat_face_cards_as_10": False}),
    ("Points24Black", "Points24", {"suits": "black"}),
    ("Points24Red", "Points24", {"suits": "red"}),
    ("Points24FourColours", "Points24", {"four_colours": True}),
    ("Points24AsRead", "Points24", {"notation": "as_read"}),
    ("Blackjack", "Blackjack", {}),
    ("BlackjackDeck", "Blackjack", {"decks": 1}),
    ("Memory", "Memory", {}),
    ("MemorySmall", "Memory", {"rows": 2}),
    ("MemoryLarge", "Memory", {"rows": 4, "columns": 6}),
    ("SET", "SET", {}),
    ("SETSmall", "SET", {"num_cards": 6, "num_features": 3}),
    ("VideoPoker", "VideoPoker", {}),
    ("VideoPokerAllAmerican", "VideoPoker", {"pays": "all american"}),
    ("FreeCell", "FreeCell", {}),
    (
        "FreeCellTiny",
        "FreeCell",
        {"num_suits": 2, "num_ranks": 4, "num_columns": 3, "num_cells": 1},
    ),
    (
        "FreeCellFull",
        "FreeCell",
        {"num_ranks": 13, "num_columns": 8, "num_cells": 4, "size": 600},
    ),
)

# Without a registered limit of steps: each game ends by rules of its own.
for _name, _game, _kwargs in _IDS:
    register(
        id=f"gym_cards/{_name}-v0",
        entry_point=f"gym_cards.{_GAMES[_game]}:{_game}Env",
        vector_entry_point=f"gym_cards.{_GAMES[_game]}:{_game}VectorEnv",
        kwargs=_kwargs,
    )
register(
    id="gym_cards/ALFWorld-v0",
    entry_point="gym_cards.alfworld:ALFWorldEnv",
    max_episode_steps=50,
)
