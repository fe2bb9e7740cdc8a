"""Pictures of cards and text that know no game: canvas, sprites, lettering and styles."""

from gym_cards.render.picture import TABLE, Picture
from gym_cards.render.style import CardStyleOptions, RenderStyle, StyleOptions

__all__ = ["TABLE", "CardStyleOptions", "Picture", "RenderStyle", "StyleOptions"]
