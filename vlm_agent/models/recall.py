"""What frozen modules gave in one run of a function, given again in later runs instead of computed.

A function, such as a model's way from pictures to embeddings, calls modules that never learn and
modules that do. As long as its arguments stay the same, the first ones always give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

Run = Callable[[], Any]


class Recall:
    """The outputs of frozen modules in one run of a function.

    A module is run again wherever its inputs depend on what learns. Nothing is kept of modules
    inside a frozen one, nor of what only frozen modules take, such as the states between the layers
    of a vision tower.

    Args:
        run: The function, without arguments; its results are tensors, anywhere in lists, tuples,
            dictionaries and outputs of transformers' models. What learns may be switched off at
            the moment, as an adapter can be.
        frozen: Modules whose weights stay as they are.
        learning: Modules that learn, as far as frozen ones may be called after them.
    """

    def __init__(
        self, run: Run, frozen: Sequence[nn.Module], learning: Sequence[nn.Module]
    ) -> None:
        self._frozen = frozen
        # In the order of the calls; `None` for one that depends on what learns.
        self._calls: list[_Call | None] = []
        self._record(run, learning)
        self._drop_unused(run)

    def replay(self, run: Run) -> Any:
        """What the function gives now, with gradients where they are enabled.

        Args:
            run: The same function, with the same arguments.
        """
        calls = iter(self._calls)

        def give(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            call = next(calls)
            return forward(*args, **kwargs) if call is None else call.outputs()

        with _called_through(give, self._frozen):
            return run()

    def _record(self, run: Run, learning: Sequence[nn.Module]) -> None:
        inside = False
        marks: list[Tensor] = []

        def keep(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return forward(*args, **kwargs)
            sources = _sources((args, kwargs))
            if any(isinstance(each, nn.Parameter) for each in sources) or sources & set(marks):
                self._calls.append(None)
                return forward(*args, **kwargs)
            inside = True
            with torch.no_grad():
                call = _Call(forward(*args, **kwargs))
            inside = False
            self._calls.append(call)
            return call.outputs()

        def mark(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            # So that gradients tell what depends on it, also while its weights take none.
            leaves, structure = tree_flatten(forward(*args, **kwargs))
            asking = [_asking(leaf) for leaf in leaves]
            marks.extend(leaf for leaf in asking if _is_float(leaf) and leaf.is_leaf)
            return tree_unflatten([_copy(leaf) for leaf in asking], structure)

        with (
            torch.enable_grad(),
            _called_through(keep, self._frozen),
            _called_through(mark, learning),
        ):
            run()

    def _drop_unused(self, run: Run) -> None:
        """Forgets the numbers of what the results do not follow from."""
        kept = [call for call in self._calls if call is not None]
        for call in kept:
            call.track()
        with torch.enable_grad():
            used = _sources(self.replay(run))
        for call in kept:
            call.keep_only(used)


class _Call:
    """What a module gave."""

    def __init__(self, outputs: Any) -> None:
        leaves, self._structure = tree_flatten(outputs)
        # Copies, here and below: whoever gets a tensor may write into it.
        self._leaves = [_copy(leaf) for leaf in leaves]

    def outputs(self) -> Any:
        """The same again."""
        return tree_unflatten([_copy(leaf) for leaf in self._leaves], self._structure)

    def track(self) -> None:
        """Has `_sources` of what follows from it name its tensors."""
        self._leaves = [_asking(leaf) for leaf in self._leaves]

    def keep_only(self, used: Collection[Tensor]) -> None:
        """Forgets the numbers in all of its tensors but the used ones."""
        for index, leaf in enumerate(self._leaves):
            if _is_float(leaf):
                self._leaves[index] = leaf.detach() if leaf in used else _emptied(leaf)


@contextmanager
def _called_through(between: Callable[..., Any], modules: Sequence[nn.Module]) -> Iterator[None]:
    """Has `between` called in place of the `forward` of modules, with that and its arguments."""
    before = [vars(module).get("forward") for module in modules]
    for module in modules:
        vars(module)["forward"] = partial(between, module.forward)
    try:
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            if own is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = own


def _sources(values: Any) -> set[Tensor]:
    """The tensors that gradients of values would be taken to."""
    asking = [each for each in tree_leaves(values) if _is_float(each) and each.requires_grad]
    found = {each for each in asking if each.is_leaf}
    seen: set[Any] = set()
    waiting = [each.grad_fn for each in asking]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(node.variable)
        waiting.extend(following for following, _ in node.next_functions)
    return found


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _copy(leaf: Any) -> Any:
    return leaf.clone() if isinstance(leaf, Tensor) else leaf


def _asking(leaf: Any) -> Any:
    """A tensor that takes gradients, of the same numbers."""
    return leaf.detach().requires_grad_() if _is_float(leaf) and not leaf.requires_grad else leaf


def _emptied(leaf: Tensor) -> Tensor:
    """A tensor of one number, in any shape, which shows wherever it is used all the same."""
    return leaf.new_full((), torch.nan).expand(leaf.shape)
