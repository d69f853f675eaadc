"""What PyTorch calls the steps of its backward pass, where its name is not that of the operation here.

Programs print it: `tensor(0.69, grad_fn=<NllLossBackward0>)`. What one primitive does here are several operations there
and the other way round; where the record does not tell which it was, the most frequent one's name is taken.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.anomaly import NODE_NAMES
from ..core.record import Record
from .indexing import Slot


def _reduced(name: str, whole: int = 0, some: int = 1) -> Callable[[Record], str]:
    """Another number behind Backward over all axes than over some of them."""

    def find(record: Record) -> str:
        return f"{name}Backward{whole if len(record.params['axis']) == len(_shape(record)) else some}"

    return find


def _shape(record: Record, i: int = 0) -> tuple[int, ...]:
    """The shape of an input."""
    return tuple(getattr(record.inputs[i], "shape", ()))


def _is_number(record: Record) -> bool:
    return not isinstance(record.inputs[0], Record)


def _product(record: Record) -> str:
    return "MmBackward0" if len(_shape(record)) == len(_shape(record, 1)) == 2 else "BmmBackward0"


def _linear(record: Record) -> str:
    if len(_shape(record)) != 2:
        return "ViewBackward0" if len(record.inputs) == 3 else "UnsafeViewBackward0"
    return "AddmmBackward0" if len(record.inputs) == 3 else "MmBackward0"


def _reshaped(record: Record) -> str:
    """A view, unless axes of length 1 came or went alone."""
    before, after = _shape(record), tuple(record.shape)
    if [n for n in before if n != 1] == [n for n in after if n != 1] and len(before) != len(after):
        return "UnsqueezeBackward0" if len(after) > len(before) else "SqueezeBackward1"
    return "ViewBackward0"


def _indexed(record: Record) -> str:
    key = record.params["key"]
    if any(isinstance(k, Slot) for k in key):
        return "IndexBackward0"
    return "SelectBackward0" if any(isinstance(k, int) for k in key) else "SliceBackward0"


def _permuted(record: Record) -> str:
    moved = [i for i, axis in enumerate(record.params["axes"]) if axis != i]
    return "TransposeBackward0" if len(moved) <= 2 else "PermuteBackward0"


def _of_plane(name: str) -> Callable[[Record], str]:
    """Of images and of volumes; the last two or three axes are pooled."""

    def find(record: Record) -> str:
        return f"{name.format(max(2, len(_shape(record)) - 2))}Backward0"

    return find


_OTHERS: dict[str, str | Callable[[Record], str]] = {
    "minus": lambda record: "RsubBackward1" if _is_number(record) else "SubBackward0",
    "over": lambda record: "MulBackward0" if _is_number(record) else "DivBackward0",
    "power": lambda record: "PowBackward2" if _is_number(record) else "PowBackward0",
    "matrix_product": _product,
    "matrix_vector": "MvBackward0",
    "vector_matrix": "SqueezeBackward4",
    "affine": _linear,
    "permute_axes": _permuted,
    "reshape_to": _reshaped,
    "getitem": _indexed,
    "sum_over": _reduced("Sum"),
    "mean_over": _reduced("Mean"),
    "max_over": lambda r: "MaxBackward1" if len(r.params["axis"]) == len(_shape(r)) else "AmaxBackward0",
    "min_over": lambda r: "MinBackward1" if len(r.params["axis"]) == len(_shape(r)) else "AminBackward0",
    "euclidean_over": "LinalgVectorNormBackward0",
    "clamp_between": "ClampBackward1",
    "clamp_below": "ClampBackward1",
    "clamp_above": "ClampBackward1",
    "broadcast_to": "ExpandBackward0",
    "take_along": "GatherBackward0",
    "absolute_error": lambda r: {"mean": "Mean", "sum": "Sum"}.get(r.params["reduction"], "Abs") + "Backward0",
    "cross_entropy_of_classes": "NllLossBackward0",
    "log_likelihood_of_classes": "NllLossBackward0",
    "cross_entropy_of_pixels": "NllLoss2DBackward0",
    "log_likelihood_of_pixels": "NllLoss2DBackward0",
    "max_pool": _of_plane("MaxPool{}DWithIndices"),
    "mean_pool": _of_plane("AvgPool{}D"),
    "standardized": "NativeLayerNormBackward0",
    "pad_with": "ConstantPadNdBackward0",
    "inverse_of": "LinalgInvExBackward0",
    "cholesky_factor": "LinalgCholeskyExBackward0",
    "astype": "ToCopyBackward0",
    "square": "PowBackward0",
    "log1p": "Log1PBackward0",
    "learned_leaky": "PreluKernelBackward0",
    # of width 1 both are the same
    "limited_error": lambda r: f"{'Huber' if r.params['scale'] == 1 != r.params['delta'] else 'SmoothL1'}LossBackward0",
}
NODE_NAMES.update(_OTHERS)
