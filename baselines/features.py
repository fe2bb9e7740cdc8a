"""The network's first layers: a picture, and a text beside it, to features."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from baselines.view import IMAGE

BYTES = 256


class PictureFeatures(BaseFeaturesExtractor):
    """Convolutions over the picture, and a layer over the text's letters at their places.

    The three convolutions are those of Mnih et al. 2015, "Human-level control through deep
    reinforcement learning". What is the same in all pictures tells nothing and slows learning
    down: `centre` subtracts it from every picture.

    Args:
        observation_space: What the network is given, as `View.space` makes it.
        features_dim: Features of the picture, at least 1.
        text_features: Features of the text, where there is one, at least 1.
        letter_dim: Numbers that stand for a letter, at least 1.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[object],
        features_dim: int = 256,
        text_features: int = 128,
        letter_dim: int = 8,
    ) -> None:
        if isinstance(observation_space, spaces.Dict):
            picture = observation_space[IMAGE]
            names = [name for name in observation_space if name != IMAGE]
        else:
            picture, names = observation_space, []
        total = features_dim + (text_features if names else 0)
        super().__init__(observation_space, total)
        self.text = names[0] if names else None
        shape = picture.shape or ()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(()))
        convolutions = nn.Sequential(
            nn.Conv2d(shape[0], 32, kernel_size=8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            width = convolutions(torch.zeros(1, *shape)).shape[1]
        self.cnn = nn.Sequential(convolutions, nn.Linear(width, features_dim), nn.ReLU())
        if self.text is not None:
            assert isinstance(observation_space, spaces.Dict)
            (length,) = observation_space[self.text].shape or ()
            self.letters = nn.Sequential(
                nn.Embedding(BYTES, letter_dim),
                nn.Flatten(),
                nn.Linear(length * letter_dim, text_features),
                nn.ReLU(),
            )

    def centre(self, pictures: Tensor) -> None:
        """Sets what is subtracted from every picture, and what the rest is divided by.

        Args:
            pictures: Examples, uint8 of shape (pictures, 3, height, width).
        """
        values = pictures.float() / 255
        self.mean.copy_(values.mean(0))
        # The deviation of the pixels that vary, so that a small text on a large ground counts too.
        spread = values.std(0)
        varied = spread[spread > 1 / 255]
        self.scale.copy_(varied.mean() if len(varied) else torch.ones(()))

    def forward(self, observations: Tensor | dict[str, Tensor]) -> Tensor:
        """Features of shape (batch, features); pictures are floats in 0 to 1, texts in 0 to 255."""
        if self.text is None or not isinstance(observations, dict):
            assert isinstance(observations, Tensor)
            return self._look(observations)
        seen = self._look(observations[IMAGE])
        return torch.cat([seen, self.letters(observations[self.text].long())], dim=1)

    def _look(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.cnn((pictures - self.mean) / self.scale)
        return features
