import os
import sys
from pathlib import Path

import pytest

# Before pygame is imported anywhere: windows open without a display.
os.environ["SDL_VIDEODRIVER"] = "dummy"
# What several tests share is imported from here.
sys.path.append(str(Path(__file__).parent / "support"))


@pytest.fixture
def written(monkeypatch):
    """The words that pictures show while they are drawn: each as (text, x, y, font)."""
    from gym_cards.pictures import lettering

    words, inks = [], {}
    word, put, rewrite = lettering.word, lettering._put, lettering.Paragraph._rewrite

    def spy_word(text, ink):
        drawn = word(text, ink)
        inks[id(drawn)] = (drawn, text, ink.font)
        return drawn

    def spy_put(frame, drawn, x, y):
        _, text, font = inks[id(drawn)]
        words.append((text, x, y, font))
        put(frame, drawn, x, y)

    def spy_rewrite(paragraph, frame):
        # All of the paragraph is written anew.
        words[:] = [one for one in words if one[2] < paragraph.top]
        rewrite(paragraph, frame)

    monkeypatch.setattr(lettering, "word", spy_word)
    monkeypatch.setattr(lettering, "_put", spy_put)
    monkeypatch.setattr(lettering.Paragraph, "_rewrite", spy_rewrite)
    return words
