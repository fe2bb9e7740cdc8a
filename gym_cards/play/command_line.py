"""Line in which a command is typed, with completion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile


class CommandLine:
    """Typed line with completion.

    Attributes:
        text: The typed text.
        chosen: The index of the chosen command among the matches.
    """

    def __init__(self) -> None:
        self.text = ""
        self.chosen = 0

    def matches(self, commands: Sequence[str]) -> list[str]:
        """Returns the commands that begin with the text, then those that contain its words.

        Without text, all of them in their order.
        """
        wanted = self.text.strip().lower()
        begin = [command for command in commands if command.lower().startswith(wanted)]
        hold = [
            command
            for command in commands
            if command not in begin and all(word in command.lower() for word in wanted.split())
        ]
        # Those that have the words in their order come first: "4 3" is not "column 3 to column 4".
        in_order = re.compile(".*".join(map(re.escape, wanted.split())))
        hold.sort(key=lambda command: in_order.search(command.lower()) is None)
        return begin + hold

    def command(self, commands: Sequence[str]) -> str | None:
        """Returns the command that Enter plays: what was typed, else the chosen match."""
        if self.text.strip() in commands and not self.chosen:
            return self.text.strip()
        found = self.matches(commands)
        return found[min(self.chosen, len(found) - 1)] if found else None

    def completion(self, commands: Sequence[str]) -> str:
        """Returns the rest of the chosen match; empty if it does not begin with the text."""
        command = self.command(commands)
        if command is None or not self.text or not command.lower().startswith(self.text.lower()):
            return ""
        return command[len(self.text) :]

    def type(self, character: str) -> None:
        """Adds a character."""
        self.text += character
        self.chosen = 0

    def erase(self, *, word: bool = False) -> None:
        """Deletes the last character, or the last word."""
        self.text = self.text.rstrip().rpartition(" ")[0] if word else self.text[:-1]
        self.chosen = 0

    def clear(self) -> None:
        """Clears the line."""
        self.text, self.chosen = "", 0

    def complete(self, commands: Sequence[str]) -> None:
        """Adds the common part of all matches that begin with the text, else the chosen match."""
        typed = self.text.lower()
        begin = [command for command in commands if command.lower().startswith(typed)]
        alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*begin, strict=False))
        shared = "".join(letters[0] for letters in alike)
        if len(shared) > len(self.text):
            self.text, self.chosen = shared, 0
        else:
            self.text, self.chosen = self.command(commands) or self.text, 0

    def move(self, by: int, commands: Sequence[str]) -> None:
        """Chooses another match, further down for a positive number."""
        last = len(self.matches(commands)) - 1
        self.chosen = max(0, min(self.chosen + by, last))
