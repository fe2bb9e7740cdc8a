"""Value head: maps the hidden state of a prompt's last token to the value of the step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlm_agent.distributed.sharding import check_each

VALUE_HEAD_FILE = "value_head.safetensors"
_FORMAT = "1"


class ValueHead(nn.Module):
    """Maps hidden states to values, in float32 whatever the model computes in.

    Args:
        hidden_size: Size of the hidden states.

    Attributes:
        mean: Subtracted from hidden states first, shape (hidden size,); 0 at first.
        scale: Then divides them, same shape; 1 at first.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(hidden_size))
        self.register_buffer("scale", torch.ones(hidden_size))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Linear(hidden_size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1)
            )
        last = cast(nn.Linear, self.layers[-1])
        # A fresh head returns 0 for every state, so the first advantages are the returns.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Returns values of shape (batch,) for hidden states of shape (batch, hidden size)."""
        return cast(Tensor, self.layers((hidden.float() - self.mean) / self.scale)[:, 0])

    @property
    def is_fresh(self) -> bool:
        """True if the head is untrained and returns 0 for every state."""
        return not all(check_each(torch.any, [cast(nn.Linear, self.layers[-1]).weight]))

    @torch.no_grad()
    def standardise(self, hidden: Tensor) -> None:
        """Sets `mean` and `scale` so that these hidden states have mean 0 and deviation 1.

        The states of one task may differ by a few percent of what they have in common, which a
        fresh head could hardly tell apart.

        Args:
            hidden: Shape (batch, hidden size).
        """
        self.mean.copy_(hidden.float().mean(dim=0))
        # The constant keeps nearly constant features from being blown up.
        self.scale.copy_((hidden.float().var(dim=0) + 1e-5).sqrt())

    def save(self, directory: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Writes the head, or the given weights in place of its own, into a directory."""
        state = dict(self.state_dict() if weights is None else weights)
        save_file(state, directory / VALUE_HEAD_FILE, {"format": _FORMAT})

    def load(self, directory: Path) -> None:
        """Reads the head that a directory holds; without one this head stays as it is.

        So does a head without values, which gets them from another process.

        Raises:
            ValueError: If the file has another format version, or is for a model of another size.
        """
        path = directory / VALUE_HEAD_FILE
        if self.mean.is_meta or not path.is_file():
            return
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("format")
            if found != _FORMAT:
                raise ValueError(
                    f"{path} is of format {found}, and this version reads format {_FORMAT}: remove "
                    "the file to train a new value head"
                )
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        own = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        shapes = {name: tuple(value.shape) for name, value in saved.items()}
        if shapes != own:
            raise ValueError(
                f"{path} does not fit its model: it holds {shapes}, and the model needs {own}"
            )
        self.load_state_dict(saved)
