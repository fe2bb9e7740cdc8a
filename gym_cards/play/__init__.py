"""Play a game by hand in a window: `python -m gym_cards.play Points24`."""
