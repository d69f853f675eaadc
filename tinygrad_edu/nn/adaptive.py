"""Softmax over many classes of very unequal frequency: AdaptiveLogSoftmaxWithLoss.

Classes are numbered from the most frequent one. The head scores the frequent ones and each cluster of
rarer ones as a whole; a cluster's classes are scored by a smaller tail of its own.

nn follows PyTorch: rows are samples.
Source: Grave et al., "Efficient softmax approximation for GPUs" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.errors import ShapeError
from ..ops.activation import log_softmax
from ..ops.choices import choose, clamp_between
from ..ops.gathering import gather, valid_index
from ..ops.joining import cat
from ..ops.reduction import argmax
from ..ops.shape import squeeze, unsqueeze
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class _ASMoutput(NamedTuple):
    output: Any  # (m,), the log-probability of each sample's label
    loss: Any  # the mean of their opposites


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of labels and their mean loss, with a linear layer for each group of classes.

    Args:
        in_features: n_in.
        n_classes: the number of classes, the most frequent first.
        cutoffs: ascending class numbers at which each cluster begins; those below the first are scored by the head.
        div_value: cluster i, from 0, first goes through n_in / div_value**(i + 1) features.
        head_bias: whether the head has a bias.
    Raises:
        ValueError: the cutoffs are not ascending integers between 1 and n_classes - 1.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        if not ends:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if any(int(c) != c for c in ends) or ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1; got {ends} for {n_classes} classes"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*ends, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = ends[0]
        self.n_clusters = len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (begin, end) in enumerate(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, device=device, dtype=dtype),
                    Linear(hidden, end - begin, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        """(output, loss) of samples (m, n_in) and labels (m,), or of one sample (n_in,) and its label ().

        Every tail scores every sample and a mask chooses, so that no shape depends on the labels.
        """
        self._check(input_, target_)
        X = input_ if target_.ndim else unsqueeze(input_, 0)
        Y = target_ if target_.ndim else unsqueeze(target_, 0)
        valid_index(Y, self.n_classes, "AdaptiveLogSoftmaxWithLoss: target")
        head = self._head(X)
        output = self._at(head, clamp_between(Y, 0, self.shortlist_size - 1))
        for i, (begin, end) in enumerate(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True)):
            inside = (Y >= begin) & (Y < end)
            local = self._at(log_softmax(self.tail[i](X), dim=1), clamp_between(Y - begin, 0, end - begin - 1))
            output = choose(inside, head[:, self.shortlist_size + i] + local, output)
        loss = (-output).mean()
        return _ASMoutput(output if target_.ndim else squeeze(output, 0), loss)

    def _check(self, input_: Any, target_: Any) -> None:
        shapes = f"got input {tuple(input_.shape)} and target {tuple(target_.shape)}."
        if target_.ndim > 1:
            wrong = "0D or 1D target tensor expected, multi-target not supported"
        elif target_.ndim and input_.shape[0] != target_.shape[0]:
            wrong = "Input and target should have the same size in the batch dimension"
        elif input_.ndim != target_.ndim + 1:
            wrong = f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors"
        elif input_.shape[-1] != self.in_features:
            wrong = f"input should have {self.in_features} features in the last dimension"
        else:
            return
        raise ShapeError(f"AdaptiveLogSoftmaxWithLoss: {wrong}; {shapes}")

    def _head(self, X: Any) -> Any:
        return log_softmax(self.head(X), dim=1)

    @staticmethod
    def _at(scores: Any, labels: Any) -> Any:
        return squeeze(gather(scores, 1, unsqueeze(labels, 1)), 1)

    def log_prob(self, input: Any) -> Any:
        """The log-probabilities of all classes: (m, n_in) to (m, n_classes)."""
        head = self._head(input)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            cluster = head[:, self.shortlist_size + i]
            parts.append(log_softmax(self.tail[i](input), dim=1) + unsqueeze(cluster, 1))
        return cat(parts, dim=1)

    def predict(self, input: Any) -> Any:
        """The class of each sample: the head's favourite, or, where that is a cluster, the likeliest of all classes."""
        favourite = argmax(self.head(input), dim=1)
        return choose(favourite < self.shortlist_size, favourite, argmax(self.log_prob(input), dim=1))
