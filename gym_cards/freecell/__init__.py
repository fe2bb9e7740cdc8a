"""FreeCell: bring all cards to the foundations, with a few cells to put cards aside."""

from gym_cards.freecell.env import FreeCellEnv, FreeCellVectorEnv

__all__ = ["FreeCellEnv", "FreeCellVectorEnv"]
