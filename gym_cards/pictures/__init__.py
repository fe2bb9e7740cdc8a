"""The games' pictures: how they look, and how a move changes them. Knows no environment."""
