"""A linear probe that reads pictures from their embeddings, as an auxiliary loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlm_agent.core.types import Demonstration, Observation
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.sft.lessons import caption

# Number of tokens of a field's value that a probe reads.
_LONGEST = 16


class ReadingProbe:
    """Linear map from a picture's embeddings, as the language model gets them, to what it shows.

    Its loss teaches the vision encoder directly what there is to see; without it, the gradient
    comes through a language model that has not learned where to look. The probe predicts the
    tokens of the state fields that only the picture shows, each by field and position in the value.
    The policy does not use the probe, which is discarded after training.

    Args:
        classes: The tokens that were seen, by field and position.
        features: Size of a picture's embeddings: number of tokens times hidden size.

    Attributes:
        linear: The map.

    Raises:
        ValueError: If there is nothing to probe for.
    """

    linear: nn.Linear

    def __init__(self, classes: Mapping[tuple[str, int], Sequence[int]], features: int) -> None:
        if not classes:
            raise ValueError(
                "a reading probe needs a field of info['state'] that the prompt does not say: set "
                "probe_weight=0 for this environment"
            )
        # Class 0 is any other token, or none.
        self._classes = {
            place: {token: number for number, token in enumerate(tokens, start=1)}
            for place, tokens in classes.items()
        }
        self._sizes = [len(tokens) + 1 for tokens in classes.values()]
        self.linear = nn.Linear(features, sum(self._sizes))
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    @classmethod
    def of(cls, policy: VLMPolicy, demonstrations: Sequence[Demonstration]) -> ReadingProbe:
        """Returns a new probe for what demonstrations show.

        Raises:
            ValueError: If prompts say all of it, or if the model has no embeddings of pictures
                among those of its text.
        """
        found: dict[tuple[str, int], dict[int, None]] = {}
        for each in demonstrations:
            for place, token in _shown(policy, each.observation).items():
                found.setdefault(place, {})[token] = None
        with torch.no_grad(), picture_embeddings(policy) as seen:
            policy.states([caption(demonstrations[0]).observation])
        classes = {place: list(tokens) for place, tokens in found.items()}
        if not (features := seen[0][0].numel()):
            raise ValueError(
                f"a {type(policy.network).__name__} has no embeddings of pictures among those of "
                "its text, for a reading probe to read: set probe_weight=0"
            )
        probe = cls(classes, features)
        probe.linear.to(policy.device)
        return probe

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> ReadingProbe:
        """Returns a new probe of the same shape as the one whose `state_dict` this is."""
        classes = {(name, place): tokens for name, place, tokens in state["classes"]}
        return cls(classes, state["weight"].shape[1])

    def state_dict(self) -> dict[str, Any]:
        """Returns the classes and the weights."""
        classes = [[*place, list(tokens)] for place, tokens in self._classes.items()]
        return {
            "classes": classes,
            "weight": self.linear.weight.detach(),
            "bias": self.linear.bias.detach(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the weights of a probe with the same classes."""
        self.linear.load_state_dict({name: state[name] for name in ("weight", "bias")})

    def loss(
        self, policy: VLMPolicy, embeddings: Sequence[Tensor], observations: Sequence[Observation]
    ) -> Tensor:
        """Returns the mean negative log-probability of what the current pictures show.

        Args:
            policy: The policy, for its tokenizer.
            embeddings: Embeddings of each observation's pictures, as `picture_embeddings` collects
                them.
            observations: The observations, in the same order.

        Raises:
            ValueError: If a picture has more or fewer tokens than those that the probe was made
                for.
        """
        features = self.linear.in_features
        for rows, observation in zip(embeddings, observations, strict=True):
            pictures = len(policy.prompt_builder.pictures(observation))
            if rows.numel() != features * pictures:
                raise ValueError(
                    f"{pictures} pictures of {len(rows)} tokens together: a reading "
                    f"probe needs {features // rows.shape[1]} for each; set probe_weight=0"
                )
        # The last picture is the current one; those before it are its history.
        current = torch.stack([rows.flatten()[-features:] for rows in embeddings]).float()
        scores = self.linear(current).split(self._sizes, dim=-1)
        shown = [_shown(policy, observation) for observation in observations]
        losses = []
        for score, (place, known) in zip(scores, self._classes.items(), strict=True):
            right = torch.tensor([known.get(each.get(place, -1), 0) for each in shown])
            losses.append(functional.cross_entropy(score, right.to(score.device)))
        return torch.stack(losses).mean()


@contextmanager
def picture_embeddings(policy: VLMPolicy) -> Iterator[list[list[Tensor]]]:
    """Collects the embeddings of pictures that forward passes hand to the language model.

    Each forward pass adds a list with one tensor per observation, of shape (tokens of all its
    pictures, hidden size).
    """
    network = policy.network
    token = getattr(network.config, "image_token_id", None)
    if token is None:
        token = -1  # matches no token
    places: list[Tensor] = []
    seen: list[list[Tensor]] = []

    def begin(_: nn.Module, __: Any, inputs: dict[str, Any]) -> None:
        places[:] = torch.eq(inputs["input_ids"], token).unbind()

    def collect(_: nn.Module, __: Any, inputs: dict[str, Any]) -> None:
        every = inputs.get("inputs_embeds")
        if every is None:  # models with cross-attention get token ids and no picture embeddings
            seen.append([torch.zeros(0, 1) for _ in places])
        else:
            seen.append([row[place] for row, place in zip(every, places, strict=True)])

    handles = [
        network.register_forward_pre_hook(begin, with_kwargs=True),
        network.get_decoder().register_forward_pre_hook(collect, with_kwargs=True),
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _shown(policy: VLMPolicy, observation: Observation) -> dict[tuple[str, int], int]:
    """Returns the tokens of what only the picture shows, by field and position in its value."""
    return {
        (name, place): token
        for name, value in observation.unsaid.items()
        for place, token in enumerate(policy.encode_reply(value)[:-1][:_LONGEST])
    }
