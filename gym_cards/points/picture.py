"""Picture of the points games."""

from __future__ import annotations

from collections.abc import Sequence

from gym_cards.cards import Card
from gym_cards.render.picture import STANDARD, TABLE, Picture
from gym_cards.render.sprites import card_height
from gym_cards.render.style import RenderStyle


class PointsPicture(Picture):
    """Picture of a points game: a row of cards above the formula.

    Args:
        cards: The number of cards, 1 to 6.
        inline: Whether the formula is next to its label, in 20 px letters (EZPoints), or below it,
            in 16 px letters (Points24).
        style: The style of the picture.
    """

    def __init__(self, cards: int, *, inline: bool, style: RenderStyle = STANDARD) -> None:
        super().__init__(style, TABLE)
        scale = style.font_scale
        # All text is at the picture's lower edge and grows upwards.
        if inline:
            line = 24 * scale
            dense = line - scale
            ways = [
                ("sans", 20.0, 282 - line, line, 1),
                ("sans", 20.0, 296 - 2 * dense, dense, 2),
                ("sans", 16.0, 297 - 51 * scale, 17 * scale, 3),
                ("sans", 12.0, 297 - 51 * scale, 13 * scale, 3),
            ]
            text_top = min(top for _, _, top, _, _ in ways)
            floor = text_top - 2
        else:
            formula_top = 297 - 57 * scale
            ways = [
                ("sans", 16.0, formula_top, 19 * scale, 3),
                ("sans", 16.0, formula_top - 9 * scale, 17 * scale, 4),
                ("sans", 12.0, formula_top - 9 * scale, 13 * scale, 5),
            ]
            text_top = formula_top - 30 * scale
            floor = text_top - 5
        # Cards move up, and then shrink, if they would meet the text.
        pitch = int(300 / cards * 0.9)
        width = pitch
        while card_height(width) > floor - 5:
            width -= 1
        height = card_height(width)
        y = style.pixels(int(min((300 - height) / 2, floor - height)))
        self._width = style.pixels(width)
        self._corners = [(style.pixels(5 + int(i * pitch * 1.1)), y) for i in range(cards)]
        self._box = (0, 0, style.size, style.pixels(floor))
        if inline:
            self._formula = self.paragraph(10, 300, ways)
            self._formula.begin(self.canvas, "Formula:")
        else:
            label = self.label("Formula:", 10, text_top, "sans", 16)
            self._formula = self.paragraph(10, 300, ways, label)
        self._text_top = style.pixels(text_top)

    def deal(self, cards: Sequence[Card], jitter: int | None = None) -> None:
        """Draws cards and an empty formula.

        Args:
            cards: As many as the picture has places for.
            jitter: The seed of the cards' displacement, if the style has any.
        """
        # First, because cards may end in the row in which the highest line of a formula began.
        self._formula.clear(self.canvas)
        if self.style.jitters:
            self.clear(self._text_top)
        self.lay_cards(cards, self._width, self._corners, self._box, jitter)

    def append(self, token: str) -> None:
        """Writes one more token of the formula; " " shows as a wider gap.

        Raises:
            ValueError: If the formula is too long for the picture. Any 21 tokens of the standard
                games fit.
        """
        self._formula.add(self.canvas, token)

    def rewrite(self, words: Sequence[str]) -> None:
        """Writes a formula in place of the one before.

        Raises:
            ValueError: If the formula is too long for the picture.
        """
        self._formula.clear(self.canvas)
        for text in words:
            self._formula.add(self.canvas, text)
