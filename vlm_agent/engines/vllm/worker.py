"""What runs inside vLLM's workers: taking over new weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

DIGEST_FILE = "weights.digest"
"""Name of the file with the digest of a model's weights, which `merge --for-vllm` writes."""


class WeightReceiver:
    """Extension of vLLM's worker class, whose methods `collective_rpc` calls by name."""

    model_runner: Any

    def served_digest(self) -> str:
        """Returns the digest of the weights that were loaded; empty if nobody wrote it down."""
        file = Path(self.model_runner.model_config.model, DIGEST_FILE)
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def receive_weights(self, weights: Sequence[tuple[str, Tensor]]) -> int:
        """Takes over new weights under the names of a checkpoint; returns their number of bytes."""
        self.model_runner.reload_weights(weights_iterator=iter(weights))
        self._repack_output_embeddings()
        return sum(value.nbytes for _, value in weights)

    def receive_folder(self, folder: str) -> int:
        """Does the same with the safetensors in a folder."""
        from safetensors import safe_open

        def read() -> Iterator[tuple[str, Tensor]]:
            for file in sorted(Path(folder).glob("*.safetensors")):
                with safe_open(file, framework="pt") as opened:
                    for name in opened.keys():  # noqa: SIM118 - it is no mapping
                        yield name, opened.get_tensor(name)

        return self.receive_weights(list(read()))

    def _repack_output_embeddings(self) -> None:
        """Renews what vLLM made of output embeddings when it loaded them.

        On the CPU they keep a packed copy, which a reload leaves as it was where they are tied to
        the input embeddings.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        for module in self.model_runner.get_model().modules():
            if isinstance(module, ParallelLMHead):
                module.quant_method.process_weights_after_loading(module)
