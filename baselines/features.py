"""Feature extractor of the networks: pictures, optionally with a text."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from baselines.view import IMAGE

BYTES = 256


class PictureFeatures(BaseFeaturesExtractor):
    """Convolutions over the picture, and a linear layer over embeddings of the text's bytes.

    The three convolutions are those of Mnih et al. 2015, "Human-level control through deep
    reinforcement learning". What all pictures have in common is uninformative and slows down
    learning: `centre` sets a mean picture to subtract.

    Args:
        observation_space: Observation space, as `View.space` returns it.
        features_dim: Number of features of the picture, at least 1.
        text_features: Number of features of the text, if there is one, at least 1.
        letter_dim: Size of the embedding of a byte, at least 1.
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
        """Sets the mean that is subtracted from pictures, and the scale that divides the rest.

        Args:
            pictures: Examples, uint8 of shape (pictures, 3, height, width).
        """
        values = pictures.float() / 255
        self.mean.copy_(values.mean(0))
        # Deviation of the pixels that vary, so that small text on a large background counts too.
        spread = values.std(0)
        varied = spread[spread > 1 / 255]
        self.scale.copy_(varied.mean() if len(varied) else torch.ones(()))

    def forward(self, observations: Tensor | dict[str, Tensor]) -> Tensor:
        """Returns features, shape (batch, features), of pictures in 0 to 1 and bytes of text."""
        if self.text is None or not isinstance(observations, dict):
            assert isinstance(observations, Tensor)
            return self._look(observations)
        seen = self._look(observations[IMAGE])
        return torch.cat([seen, self.letters(observations[self.text].long())], dim=1)

    def _look(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.cnn((pictures - self.mean) / self.scale)
        return features
