"""In-place forms of views: `x.unsqueeze_(0)` gives x another shape on the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import TraceError, name_of
from ..core.mode import mode
from ..core.tensor import Tensor, method, wrap
from ..core.views import hand_over, refresh
from ..core.write import storage_of
from .shape import squeeze, swapaxes, t, transpose, unsqueeze


def _become(target: Tensor, view: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Tensor:
    """Let the target be a view of what it has been. Views of it that were taken before are refused from then on."""
    if mode.trace is not None:
        raise TraceError(f"{name}: a traced value can't change its shape in place; write x = x.{name[:-1]}(...).")
    if target.requires_grad and target.is_leaf and mode.grad:
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place operation: {name_of(target)} "
            f"{tuple(target.shape)}; use the form that makes a new tensor, x = x.{name[:-1]}(...)."
        )
    former = target
    if target._view is None:  # the memory's first owner: another tensor must take that place
        former = wrap(target._array)
        former._record, former._storage = target._record, storage_of(target)
    else:
        refresh(target)
    result = view(former, *args, **kwargs)
    old, new = target._record, result._record
    if old is not None and new is not None and old is not new:
        hand_over(old, new)
    target._array, target._record, target._storage = result._array, new, result._storage
    target._view = result._view
    return target


def _in_place(view: Callable[..., Any], name: str) -> None:
    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _become(self, view, name, args, kwargs)

    in_place.__name__ = name
    in_place.__doc__ = f"`{name[:-1]}`, by which this tensor itself gets the new shape. Returns the tensor."
    method(name, in_place, view)


_VIEWS: dict[str, Callable[..., Any]] = {
    "squeeze_": squeeze, "unsqueeze_": unsqueeze, "transpose_": transpose, "swapaxes_": swapaxes,
    "swapdims_": swapaxes, "t_": t,
}  # fmt: skip
for _name, _view in _VIEWS.items():
    _in_place(_view, _name)
