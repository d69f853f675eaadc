"""`with viz.keep():` a graph recorded inside of it keeps its numbers, whatever is written later."""

from __future__ import annotations

import contextlib

from ..core.mode import mode


class keep(contextlib.ContextDecorator):
    """For a block: every recorded value keeps a copy of its numbers, and backward one of every cotangent.

    Without it a loss's freed values are recomputed from the leaves when a picture or a formula asks for them, and
    are gone once a leaf has been written, as `optimizer.step()` does. The copies live as long as the loss.

    >>> from tinygrad_edu import no_grad, tensor
    >>> from tinygrad_edu.viz import graph
    >>> w = tensor([2.0], requires_grad=True, name="w")
    >>> with keep():
    ...     loss = (w * w).sum()
    >>> loss.backward()
    >>> with no_grad():
    ...     w -= 0.5 * w.grad
    >>> [(v.array.tolist(), v.grad.tolist()) for v in graph(loss).values]
    [([2.0], [4.0]), ([4.0], [1.0]), (4.0, 1.0)]
    """

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(mode.keep)
        mode.keep = True

    def __exit__(self, *_: object) -> None:
        mode.keep = self._previous.pop()
