"""Value head: maps the hidden state of a prompt's last token to the value of the step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast, get_args

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlm_agent.distributed.sharding import check_each

VALUE_HEAD_FILE = "value_head.safetensors"
Activation = Literal["tanh", "relu"]
# Format 2 names its activation; format 1 is for tanh.
_FORMATS = {"1": "tanh", "2": None}


class ValueHead(nn.Module):
    """Maps hidden states to values, in float32 whatever the model computes in.

    Args:
        hidden_size: Size of the hidden states.
        sizes: Sizes of the hidden layers; by default one of the size of the hidden states.
        activation: Non-linearity after each of them.
        seed: What the weights are drawn from; no global random generator is touched.

    Attributes:
        activation: The non-linearity.
        mean: Subtracted from hidden states first, shape (hidden size,); 0 at first.
        scale: Then divides them, same shape; 1 at first.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        hidden_size: int,
        sizes: Sequence[int] | None = None,
        activation: Activation = "tanh",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(hidden_size))
        self.register_buffer("scale", torch.ones(hidden_size))
        self._draw((hidden_size,) if sizes is None else tuple(sizes), activation, seed)

    def _draw(self, sizes: tuple[int, ...], activation: Activation, seed: int) -> None:
        """Makes new layers; the inputs stay standardised."""
        self.activation: Activation = activation
        layers: list[nn.Module] = []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for before, after in pairwise((len(self.mean), *sizes)):
                layers += [
                    nn.Linear(before, after),
                    nn.Tanh() if activation == "tanh" else nn.ReLU(),
                ]
            last = nn.Linear(sizes[-1], 1)
        # A fresh head returns 0 for every state, so the first advantages are the returns.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last).to(self.mean.device)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return tuple(each.out_features for each in self.layers if isinstance(each, nn.Linear))[:-1]

    def start(
        self, seed: int, sizes: Sequence[int] | None = None, activation: Activation | None = None
    ) -> None:
        """Draws the weights of an untrained head; a trained one stays as it is.

        Args:
            seed: What they are drawn from.
            sizes: Sizes of the hidden layers; by default as they are.
            activation: Non-linearity after each of them; by default as it is.

        Raises:
            ValueError: If a trained head has other sizes, or another activation.
        """
        wanted = (tuple(sizes or self.sizes), activation or self.activation)
        if self.is_fresh:
            self._draw(*wanted, seed)
        elif wanted != (self.sizes, self.activation):
            raise ValueError(
                f"the value head that was trained with this model has hidden layers of "
                f"{list(self.sizes)} and {self.activation}, not {list(wanted[0])} and {wanted[1]}: "
                "leave out value_head_sizes and value_head_activation, or remove "
                f"{VALUE_HEAD_FILE} to train a new one"
            )

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
        about = {"format": "1"}
        if self.activation != _FORMATS["1"]:
            about = {"format": "2", "activation": self.activation}
        save_file(state, directory / VALUE_HEAD_FILE, about)

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
            about = file.metadata() or {}
            if (found := about.get("format")) not in _FORMATS:
                raise ValueError(
                    f"{path} is of format {found}, and this version reads format "
                    f"{' or '.join(_FORMATS)}: remove the file to train a new value head"
                )
            activation = _FORMATS[found] or about.get("activation")
            if activation not in get_args(Activation):
                raise ValueError(
                    f"{path} has the activation {activation!r}: expected one of "
                    f"{', '.join(get_args(Activation))}"
                )
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self._draw(_hidden_sizes(saved) or self.sizes, cast(Activation, activation), seed=0)
        own = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        shapes = {name: tuple(value.shape) for name, value in saved.items()}
        if shapes != own:
            raise ValueError(
                f"{path} does not fit its model: it holds {shapes}, and the model needs {own}"
            )
        self.load_state_dict(saved)


def _hidden_sizes(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Returns the sizes of the hidden layers that the weights of a head belong to."""
    layers = {
        int(found[1]): len(value)
        for name, value in weights.items()
        if (found := re.fullmatch(r"layers\.(\d+)\.weight", name))
    }
    return tuple(layers[number] for number in sorted(layers))[:-1]
