"""Embedding and EmbeddingBag: tables whose rows are trained, picked by index.

nn follows PyTorch: weight is (num_embeddings, embedding_dim). What is computed is in ops/embedding.py.
"""

from __future__ import annotations

from typing import Any

from ..autograd import no_grad
from ..ops.creation import empty
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class _Table(Module):
    """What both share: the weight, its padding row, and how it starts."""

    weight: Parameter
    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None

    def _make(
        self, n: int, d: int, padding_idx: int | None, weight: Any, freeze: bool, device: Any, dtype: Any
    ) -> None:
        self.num_embeddings, self.embedding_dim = n, d
        if padding_idx is not None and not -n <= padding_idx < n:
            raise AssertionError(
                f"{self._get_name()}: Padding_idx must be within num_embeddings, {-n} to {n - 1}, got {padding_idx}."
            )
        self.padding_idx = padding_idx % n if padding_idx is not None else None
        if weight is None:
            self.weight = Parameter(empty(n, d, device=device, dtype=dtype), requires_grad=not freeze)
            self.reset_parameters()
            return
        if tuple(weight.shape) != (n, d):
            raise AssertionError(
                f"{self._get_name()}: Shape of weight does not match num_embeddings and embedding_dim: "
                f"{tuple(weight.shape)} is not {(n, d)}."
            )
        self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw the weight anew, standard normal: PyTorch's numbers from the seed. The padding row is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)


class Embedding(_Table):
    """Vectors for words: the rows of a trained table that a tensor of indices names.

    Args:
        num_embeddings: rows of the table; an index is 0 to num_embeddings - 1.
        embedding_dim: features of each.
        padding_idx: a row that starts at 0 and is not trained.
        max_norm, norm_type: rows whose norm is larger are scaled down to it, in place, when they are used.
        scale_grad_by_freq: gradients are divided by how often the row was used in the batch.
        sparse: True is refused: there are no sparse tensors.

    >>> from tinygrad_edu import nn, tensor
    >>> tuple(nn.Embedding(10, 3)(tensor([[1, 2], [4, 1]])).shape)
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, device, dtype)

    def forward(self, input: Any) -> Any:
        """The rows that input (...) names: (..., embedding_dim)."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        """Both sizes, and what differs from the defaults."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        text += _norm_repr(self)
        return text + ", sparse=True" if self.sparse else text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer on a given table, on its memory; freeze=False trains it."""
        n, d = _table_shape(embeddings)
        return cls(n, d, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)


class EmbeddingBag(_Table):
    """Sums, means or maxima of the rows that each bag of indices names.

    Args:
        mode: "sum", "mean" or "max".
        include_last_offset: offsets also say where the last bag ends.
        padding_idx: an index that counts as if it were not there.
    The others are Embedding's.

    >>> from tinygrad_edu import nn, tensor
    >>> tuple(nn.EmbeddingBag(10, 3)(tensor([1, 2, 4, 5]), tensor([0, 3])).shape)
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.mode, self.include_last_offset = mode, include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, False, device, dtype)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """A row per bag, (n_bags, embedding_dim); see functional.embedding_bag."""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Both sizes, what differs from the defaults, and the mode."""
        text = f"{self.num_embeddings}, {self.embedding_dim}{_norm_repr(self)}, mode={self.mode!r}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer on a given table, on its memory; freeze=False trains it."""
        n, d = _table_shape(embeddings)
        layer = cls(
            n, d, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset, padding_idx
        )
        layer.weight.requires_grad_(not freeze)
        return layer


def _norm_repr(layer: Any) -> str:
    max_norm = f", max_norm={layer.max_norm}" if layer.max_norm is not None else ""
    norm_type = f", norm_type={layer.norm_type}" if layer.norm_type != 2 else ""
    return (
        max_norm + norm_type + (f", scale_grad_by_freq={layer.scale_grad_by_freq}" if layer.scale_grad_by_freq else "")
    )


def _table_shape(embeddings: Any) -> tuple[int, int]:
    if embeddings.ndim != 2:
        raise AssertionError(f"Embeddings parameter is expected to be 2-dimensional, got {tuple(embeddings.shape)}.")
    n, d = embeddings.shape
    return int(n), int(d)
