import os
import sys
from pathlib import Path

import pytest

# Before pygame is imported anywhere: windows open without a display.
os.environ["SDL_VIDEODRIVER"] = "dummy"
# What several tests share is imported from here.
sys.path.append(str(Path(__file__).parents[1] / "support" / "gym_cards"))


@pytest.fixture
def real_windows():
    """Lets watched games open their windows."""


@pytest.fixture(autouse=True)
def _no_windows(request, monkeypatch):
    """Keeps watched games from opening windows, each a process, where no test looks at them."""
    if "real_windows" not in request.fixturenames:
        monkeypatch.setattr("gym_cards.core.window.Window.show", lambda *_: None)


@pytest.fixture
def written(monkeypatch):
    """The words that pictures show while they are drawn: each as (text, x, y, font)."""
    from gym_cards.render import lettering

    words, inks = [], {}
    put, rewrite = lettering._put, lettering.Paragraph._rewrite

    def spied(draw):
        def spy(text, ink):
            drawn = draw(text, ink)
            inks[id(drawn)] = (drawn, text, ink.font)
            return drawn

        return spy

    def spy_put(frame, drawn, x, y):
        _, text, font = inks[id(drawn)]
        words.append((text, x, y, font))
        return put(frame, drawn, x, y)

    def spy_rewrite(paragraph, canvas, texts):
        # All of the paragraph is written anew, and a label that reaches into its rows.
        words[:] = [one for one in words if one[2] < paragraph.top]
        labels = [one for one in words if paragraph._label and one[0] == paragraph._label.text]
        rewrite(paragraph, canvas, texts)
        for one in labels:
            words.remove(one)

    # So that words are asked for anew, whoever has drawn them before.
    lettering._words.cache_clear()
    for name in ("word", "number"):
        monkeypatch.setattr(lettering, name, spied(getattr(lettering, name)))
    monkeypatch.setattr(lettering, "_put", spy_put)
    monkeypatch.setattr(lettering.Paragraph, "_rewrite", spy_rewrite)
    return words
