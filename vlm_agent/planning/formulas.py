"""The memory of weights, gradients, moments and caches: one formula each, in bytes."""

from __future__ import annotations

FLOAT32 = 4


def weights_in_4bit(count: int) -> int:
    """Weights in 4-bit NormalFloat: half a byte, and a scale for every 64 (QLoRA, section 3).

    Scales have 8 bits, and a float32 scale of their own for every 256 of them.
    """
    scales = count / 64
    return round(count / 2 + scales + FLOAT32 * scales / 256)


def gradients(trained: int) -> int:
    """Gradients of trained weights, in float32 as these are.

    DDP keeps their memory between updates, because they are views of what it exchanges.
    """
    return FLOAT32 * trained


def moments(trained: int, *, eight_bits: bool = False) -> int:
    """Adam's two moments of every trained weight, in float32 or 8 bits.

    Moments in 8 bits have a float32 scale for every 256 of them (Dettmers et al. 2022, section 2);
    those of tensors below 4096 weights, which are few, stay in float32 and are not counted as such.
    """
    if eight_bits:
        return round(2 * (trained + FLOAT32 * trained / 256))
    return 2 * FLOAT32 * trained


def step_workspace(trained: int, *, eight_bits: bool = False) -> int:
    """What Adam's step takes on a GPU beyond its moments: the root of the second, for all at once.

    On the CPU, and with moments in 8 bits, it goes weight by weight and takes hardly anything.
    """
    return 0 if eight_bits else FLOAT32 * trained


def reference(trained: int, head: int, *, fresh_adapter: bool) -> int:
    """The reference policy of `--kl-coef`: a copy of what is trained.

    Of a fresh adapter it is the model without the adapter, so that only the value head is copied.
    """
    return FLOAT32 * (head if fresh_adapter else trained)


def share(size: int, gpus: int) -> int:
    """What FSDP leaves of tensors on each of several GPUs."""
    return -(-size // gpus)


def grown_cache(size: int, prompt: int, reply: int) -> int:
    """Key-value cache of finished replies, given its size when the prompts have been read."""
    return round(size * (prompt + reply) / prompt)


def remembered_features(steps: int, tokens: int, hidden_size: int, itemsize: int) -> int:
    """Image features of a frozen vision part, kept for the epochs of an update.

    Args:
        steps: Steps of a rollout, on this GPU.
        tokens: Tokens of a prompt that stand for pictures.
        hidden_size: The language model's.
        itemsize: Bytes of a number.
    """
    return steps * tokens * hidden_size * itemsize
