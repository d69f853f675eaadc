"""All parameters as one vector, and back: for optimizers and Hessians that know vectors only."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.tensor import Tensor
from ...ops.joining import cat


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The numbers of all parameters, one after the other; gradients flow back into each."""
    vector: Tensor = cat([parameter.reshape(-1) for parameter in parameters])
    return vector


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters have the numbers of a vector, as parameters_to_vector laid them out; they share its memory."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    several = list(parameters)
    count = sum(p.numel() for p in several)
    if vec.numel() < count:
        raise RuntimeError(f"vector_to_parameters: the vector has {vec.numel()} numbers, the parameters {count}.")
    start = 0
    for parameter in several:
        stop = start + parameter.numel()
        parameter.data = vec.detach()[start:stop].view(parameter.shape)
        start = stop
