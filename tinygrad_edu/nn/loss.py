"""Losses as modules; the functions themselves are in ops/loss.py.

nn follows PyTorch: rows are samples. `reduction` is "mean", "sum" or "none"; `size_average` and
`reduce` are its old spellings.
"""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from . import functional as F
from .module import Module


class _Loss(Module):
    """A loss; `weight`, if it has one, is a buffer, so that it is converted and stored with the model."""

    weight: Tensor | None

    def __init__(self, reduction: str, size_average: Any, reduce: Any) -> None:
        super().__init__()
        self.reduction = F.reduction_of(size_average, reduce, reduction)


class MSELoss(_Loss):
    """The mean squared difference."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction, size_average, reduce)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss; input and target have one shape."""
        return F.mse_loss(input, target, reduction=self.reduction)


class BCELoss(_Loss):
    """The article's cost: -(Y log A + (1 - Y) log(1 - A)) of probabilities A; weight broadcasts to A."""

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, size_average, reduce)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss; input and target have one shape."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(Z), computed from the scores Z without overflow.

    Args:
        weight: multiplies each element's loss; broadcasts to Z.
        pos_weight: multiplies the part of the positive examples; broadcasts to Z.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(reduction, size_average, reduce)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss; input and target have one shape."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CrossEntropyLoss(_Loss):
    """The cross-entropy of softmax(Z) with labels or probabilities, in nats per sample.

    Args:
        weight: per class.
        ignore_index: samples with this label count for nothing.
        label_smoothing: the part of each target that is spread evenly over all classes.

    >>> from tinygrad_edu import nn, tensor, zeros
    >>> nn.CrossEntropyLoss()(zeros(2, 4), tensor([0, 3]))  # log(4), all classes being equal
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction, size_average, reduce)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of scores (m, n_classes) and labels (m,), or probabilities in the scores' shape."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Minus the log-probability of each sample's label: CrossEntropyLoss after LogSoftmax.

    Args:
        weight: per class.
        ignore_index: samples with this label count for nothing.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, size_average, reduce)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of log-probabilities (m, n_classes) and labels (m,)."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)
