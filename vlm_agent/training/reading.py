"""Learning to read pictures, and to reason from what was read, each by itself.

In a demonstration everything has to be learned at once: a small model that cannot read yet sees
reasons and actions that have nothing to do with what it sees. So it may learn first what pictures
show, and then what follows from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Demonstration, Observation
from vlm_agent.models.policy import VLMPolicy

_LONGEST = 16
"""Tokens of a field's value that a probe reads."""


def seen_fields(observation: Observation) -> dict[str, str]:
    """The fields of the state that nothing but the picture tells."""
    given = observation.given
    return {name: value for name, value in observation.state.items() if name not in given}


def caption(demonstration: Demonstration) -> Demonstration:
    """The picture without a prompt, and what it shows as the reply, as JSON.

    Raises:
        ValueError: If the environment tells nothing that only the picture shows.
    """
    seen = demonstration.observation
    fields = seen_fields(seen)
    if not fields:
        raise ValueError(
            f"the picture shows nothing that prompts do not tell: info['state'] is "
            f"{dict(seen.state)!r}, of which prompts tell {sorted(seen.given)}; leave out "
            "caption_samples, or have the environment name what its picture shows"
        )
    reply = json.dumps(fields, ensure_ascii=False)
    return Demonstration(_said([{"type": "image"}], seen), reply)


def readout(demonstration: Demonstration) -> Demonstration:
    """The same, picture and prompt too, of which only what the reply reads out is to be learned.

    Raises:
        ValueError: If the reply does not begin with reading out the state.
    """
    return replace(demonstration, learned=(0, _end_of_state(demonstration)))


def reasoning(demonstration: Demonstration) -> Demonstration:
    """The reply without picture and prompt, of which only thoughts and action are to be learned.

    What was read stays in it, so that there is something to reason from.

    Raises:
        ValueError: If the reply does not begin with reading out the state.
    """
    learned = (_end_of_state(demonstration), len(demonstration.reply))
    return Demonstration(_said([], demonstration.observation), demonstration.reply, learned)


class ReadingProbe:
    """A linear map from a picture's embeddings, as the language part gets them, to what it shows.

    Its loss tells the vision part directly what there is to see. Without it, the only way to learn
    that leads through a language part that does not know yet where to look. What is probed for are
    the tokens of the fields of the state that only the picture tells, each by the field and its
    place in the value. The policy makes no use of the probe; it is thrown away after training.

    Attributes:
        linear: The map.

    Args:
        classes: The tokens that were seen, by field and place.
        features: Numbers of a picture's embeddings: tokens times hidden size.

    Raises:
        ValueError: If there is nothing to probe for.
    """

    linear: nn.Linear

    def __init__(self, classes: Mapping[tuple[str, int], Sequence[int]], features: int) -> None:
        if not classes:
            raise ValueError(
                "a reading probe needs a field of info['state'] that prompts do not tell: set "
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
        """A probe for what some demonstrations show.

        Raises:
            ValueError: If prompts tell all of it, or if the model only attends to pictures.
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
        """A probe as large as the one whose `state_dict` this is."""
        classes = {(name, place): tokens for name, place, tokens in state["classes"]}
        return cls(classes, state["weight"].shape[1])

    def state_dict(self) -> dict[str, Any]:
        """What it probes for, and its weights."""
        classes = [[*place, list(tokens)] for place, tokens in self._classes.items()]
        return {
            "classes": classes,
            "weight": self.linear.weight.detach(),
            "bias": self.linear.bias.detach(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, of a probe for the same."""
        weights = {name: state[name] for name in ("weight", "bias")}
        self.linear.load_state_dict(weights)

    def loss(
        self, policy: VLMPolicy, embeddings: Sequence[Tensor], observations: Sequence[Observation]
    ) -> Tensor:
        """Mean negative log-probability of the tokens of what the current pictures show.

        Args:
            policy: Whose pictures they are.
            embeddings: Of each observation's pictures, as `picture_embeddings` collects them.
            observations: Whose pictures they are, in their order.

        Raises:
            ValueError: If a picture has more or fewer tokens than others.
        """
        features = self.linear.in_features
        for rows, observation in zip(embeddings, observations, strict=True):
            if rows.numel() != features * len(observation.images):
                raise ValueError(
                    f"{len(observation.images)} pictures of {len(rows)} tokens together: a reading "
                    f"probe needs {features // rows.shape[1]} for each; set probe_weight=0"
                )
        # The last picture is the current one; those before it are remembered.
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
    """Collects the embeddings of pictures as forward passes hand them to the language part.

    Each forward pass adds a list with a tensor for each observation, of shape (tokens of all its
    pictures, hidden size).
    """
    network = policy.network
    token = getattr(network.config, "image_token_id", None)
    if token is None:
        token = -1  # no token's id
    places: list[Tensor] = []
    seen: list[list[Tensor]] = []

    def begin(_: nn.Module, __: Any, inputs: dict[str, Any]) -> None:
        places[:] = torch.eq(inputs["input_ids"], token).unbind()

    def collect(_: nn.Module, __: Any, inputs: dict[str, Any]) -> None:
        every = inputs.get("inputs_embeds")
        if every is None:  # the text alone, by models that attend to pictures
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


def _end_of_state(demonstration: Demonstration) -> int:
    """Where in a reply the state has been read out, in characters."""
    read = json.dumps(demonstration.observation.state, ensure_ascii=False)[:-1]
    if not demonstration.reply.startswith(read):
        raise ValueError(
            f"the reply {demonstration.reply!r:.200} does not begin with {read!r:.200}"
        )
    return len(read)


def _shown(policy: VLMPolicy, observation: Observation) -> dict[tuple[str, int], int]:
    """The tokens of what only the picture tells, by field and place in its value."""
    return {
        (name, place): token
        for name, value in seen_fields(observation).items()
        for place, token in enumerate(policy.encode_reply(value)[:-1][:_LONGEST])
    }


def _said(content: list[dict[str, str]], seen: Observation) -> Chat:
    """A chat of one message, with the picture if the message has a place for it."""
    pictures = (seen.image,) if content else ()
    messages = ({"role": "user", "content": content},)
    return Chat(
        seen.image,
        seen.task,
        seen.actions,
        given=seen.given,
        state=seen.state,
        messages=messages,
        pictures=pictures,
    )
