"""The loss of label sequences whose places in time are not known: ctc_loss.

Every way of laying the labels out over time, in order, each repeated as often as it likes and with blanks
between, says the same sequence. The loss is minus the logarithm of the sum of their probabilities, by the
forward recursion over time; masks choose, so no shape depends on a value.

Source: Graves et al., "Connectionist temporal classification" (2006).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from .activation import log_softmax
from .checks import check
from .choices import choose
from .creation import as_tensor
from .gathering import gather, valid_index
from .joining import cat
from .loss import check_reduction
from .public import public
from .reduction import logsumexp
from .shape import reshape_to
from .slicing import unbind

NEVER = -1e30  # the logarithm of a probability of 0: finite, so that no difference of two is NaN


@public("ctc_loss", as_method=False)
def _torch_ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:
    """nn.functional.ctc_loss under torch's own name, with reduction as a number: 0 none, 1 mean, 2 sum."""
    word = ("none", "mean", "sum")[reduction]
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, word, zero_infinity)


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Minus the log-probability of label sequences under log_probs (T, m, n_classes), in nats per sequence.

    Args:
        log_probs: of log_softmax; or (T, n_classes) of one sequence. The gradient is that by the scores before
            log_softmax, as in PyTorch: exp(log_probs) less the expected share of each class.
        targets: labels (m, S), or those of all sequences in a row.
        input_lengths, target_lengths: of each sequence; numbers, or tensors (m,).
        blank: the class that stands for no label.
        reduction: "mean" divides each loss by its sequence's number of labels first.
        zero_infinity: 0 in the place of an infinite loss, which a sequence too long for its time has.
    Raises:
        RuntimeError: a length is larger than the tensor, or blank is no class.
    """
    check_reduction(reduction, "ctc_loss")
    single = log_probs.ndim == 2
    P = reshape_to(log_probs, shape=(log_probs.shape[0], 1, log_probs.shape[1])) if single else log_probs
    T, m, n_classes = P.shape
    if not 0 <= blank < n_classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range, 0 to {n_classes - 1}, got {blank}.")
    if not T:
        raise RuntimeError("ctc_loss: log_probs has no time steps.")
    steps, counts = (_lengths(x, m, name) for x, name in ((input_lengths, "input"), (target_lengths, "target")))
    labels = _labels(targets, target_lengths, counts, m, single)
    S = labels.shape[1]
    check(steps._array <= T, f"ctc_loss: Expected input_lengths to have value at most {T}", RuntimeError, steps._array)
    check(counts._array <= S, f"ctc_loss: a target length exceeds the {S} labels", RuntimeError, counts._array)
    valid_index(labels, n_classes, "ctc_loss: targets")
    normalized = log_softmax(P, dim=-1)
    P = normalized + (P - normalized).detach()  # the numbers as given, the gradient by the scores
    losses = -_total(P, labels, steps, counts, blank)
    impossible = losses > -NEVER / 2
    losses = choose(impossible, 0.0 if zero_infinity else math.inf, losses)
    if reduction == "mean":
        return (losses / counts.clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses[0] if single else losses


def _total(P: Any, labels: Any, steps: Any, counts: Any, blank: int) -> Any:
    """The logarithm of the sum over all ways, (m,)."""
    m, S = labels.shape
    # states: blank, first label, blank, second label, ..., blank: (m, 2 S + 1)
    blanks = labels * 0 + blank
    pairs = cat([blanks[:, :, None], labels[:, :, None]], dim=2).reshape(m, 2 * S)
    states = cat([pairs, labels.new_full((m, 1), blank)], 1)
    never = P.new_full((m, 2), NEVER)
    # a blank may be left out between two labels that differ
    skips = cat([states.new_zeros((m, 2)) > 0, (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])], 1)
    scores = [gather(p, 1, states) for p in unbind(P)]
    begun = states.new_tensor(np.arange(2 * S + 1)) < 2
    A = choose(begun, scores[0], NEVER)
    for t, score in enumerate(scores[1:], 1):
        before = cat([never[:, :1], A[:, :-1]], 1)
        two_before = choose(skips, cat([never, A], 1)[:, : 2 * S + 1], NEVER)
        new = logsumexp(cat([x[None] for x in (A, before, two_before)]), 0) + score
        A = choose((steps > t)[:, None], new, A)
    last = counts[:, None] * 2
    ends = cat([gather(A, 1, last), choose(counts[:, None] > 0, gather(A, 1, (last - 1).clamp(min=0)), NEVER)], 1)
    without_time = choose(counts == 0, 0.0, NEVER).to(P.dtype)
    return choose(steps > 0, logsumexp(ends, 1), without_time)


def _lengths(given: Any, m: int, name: str) -> Any:
    lengths = given if isinstance(given, Tensor) else as_tensor(np.array(given, np.int64))
    lengths = reshape_to(lengths.long(), shape=(-1,))
    if lengths.shape != (m,):
        raise ShapeError(f"ctc_loss: {name}_lengths must be of size batch_size, {m}, got {tuple(lengths.shape)}.")
    check(lengths._array >= 0, f"ctc_loss: {name}_lengths must not be negative", RuntimeError, lengths._array)
    return lengths


def _labels(targets: Any, given: Any, counts: Any, m: int, single: bool) -> Any:
    """The labels as (m, S); of those in a row, S is the longest sequence's length."""
    labels = targets.long()
    if single:
        return reshape_to(labels, shape=(1, -1))
    if labels.ndim == 2:
        if labels.shape[0] != m:
            raise ShapeError(f"ctc_loss: targets {tuple(labels.shape)} are not those of {m} sequences.")
        return labels
    if isinstance(counts._array, Symbol) and isinstance(given, Tensor):
        counts._array.refuse("ctc_loss: where the targets of a row begin and end is such a value; give them as (m, S).")
    numbers = counts.tolist() if isinstance(given, Tensor) else [*map(int, np.ravel(given))]
    if sum(numbers) > labels.shape[0]:
        raise ShapeError(f"ctc_loss: {labels.shape[0]} targets for sequences of {numbers} labels.")
    rows = np.zeros((m, max(numbers, default=0)), np.int64)
    begin = 0
    for k, n in enumerate(numbers):
        rows[k, :n] = np.arange(begin, begin + n)
        begin += n
    return labels[as_tensor(rows)] if labels.shape[0] else labels.new_zeros(rows.shape)
