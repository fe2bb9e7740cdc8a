"""Draws the playing cards that gym_cards ships, and rasterises its letters."""
