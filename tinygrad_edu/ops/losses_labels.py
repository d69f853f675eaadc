"""What the losses of labels (losses_classes.py) are made of: costs of rows and of pixels, and their P - Y.

The classes lie along axis 1 of scores (m, n_classes) or (m, n_classes, d1, ...). Rows and pixels have forwards of their
own, for speed, one rule and one composition.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import Array, primitive
from ..core.sums import sum_axes
from .activation import FEW, softmax_rule
from .checks import check
from .choices import zero_where
from .room import room, zeroed

IGNORED = -100  # the usual ignore_index, which is no class


def _kept_rule(dD: Array, D: Array, P: Array, labels: Array, *, ignore_index: int) -> Array:
    return zero_where((labels == ignore_index)[:, None], dD)


@primitive(name="one_hot", types=None, opaque=True, dP=_kept_rule)
def minus_one_hot(P: Array, labels: Array, *, ignore_index: int, out: Array = None) -> Array:
    """P - Y with Y[i, labels[i]] = 1 and zeros elsewhere; a row whose label is ignore_index becomes 0."""
    D = np.empty_like(P) if out is None else out  # in P's own order: 319 us against 36 for 1024 x 100 in columns
    np.copyto(D, P)
    kept = labels != ignore_index
    if np.count_nonzero(kept) == len(labels):
        rows = np.arange(len(labels))
    else:
        D[~kept] = 0
        rows = np.flatnonzero(kept)
        labels = labels[rows]
    D[rows, labels] = P[rows, labels] - 1
    return D


def _classes(n: int, ndim: int) -> Array:
    """0 .. n - 1 along the class axis, beside labels of so many axes."""
    return np.arange(n).reshape(-1, *(1,) * (ndim - 1))


def _one_hot(labels: Array, n_classes: int, ignore_index: int) -> Array:
    """Y[i, labels[i]] = 1; a row of zeros where the label is ignore_index."""
    Y = labels[:, None] == _classes(n_classes, labels.ndim)
    return np.logical_and(Y, (labels != ignore_index)[:, None]) if 0 <= ignore_index < n_classes else Y


def _probabilities_minus_labels(P: Array, labels: Array, *, ignore_index: int) -> Array:
    return P * (labels != ignore_index)[:, None] - _one_hot(labels, P.shape[1], ignore_index)


minus_one_hot.composition = _probabilities_minus_labels


@primitive(name="count_nonzero", types=None, opaque=True)
def count_kept(labels: Array, *, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """How many labels there are besides ignore_index, as a number to divide by."""
    return np.asarray(np.count_nonzero(labels != ignore_index), dtype)


count_kept.composition = lambda labels, *, ignore_index, dtype: np.sum(labels != ignore_index, dtype=dtype)


def _scores_rule(dO: Array, O: Array, Z: Array, labels: Array, *, ignore_index: int) -> Array:
    """The article's A - Y for several classes: the probabilities, less 1 at each sample's or pixel's label, over m."""
    dL, dP, P = dO[0], dO[1], O[1]
    if dL is None:
        return softmax_rule(dP, P, axis=1)
    m = count_kept(labels, ignore_index=ignore_index, dtype=Z.dtype)
    if labels.ndim == 1:
        D = minus_one_hot(P, labels, ignore_index=ignore_index)
    else:
        D = minus_one_hot_of_pixels(P, labels, ignore_index=ignore_index)
    dZ = D * (dL / np.maximum(m, 1))  # none kept: 0
    return dZ if dP is None else dZ + softmax_rule(dP, P, axis=1)


@primitive(name="cross_entropy", types=None, opaque=True, dZ=_scores_rule)
def cross_entropy_of_classes(Z: Array, labels: Array, *, ignore_index: int) -> tuple[Array, Array]:
    """L = -mean(log P[i, labels[i]]) of scores Z (m, n_classes), in nats per sample; and P = softmax(Z).

    Samples labelled ignore_index are left out of the mean. P is an output because the rule of Z reads it.
    Few classes are taken with samples in columns, where NumPy's loops are long: 64 x 10 take 12 us for 18.
    """
    axis = 0 if Z.shape[1] <= FEW else 1
    S = Z.T.copy() if axis == 0 else Z
    S = S - np.maximum.reduce(S, axis=axis, keepdims=True)
    E = np.exp(S)
    T = np.add.reduce(E, axis=0, keepdims=True) if axis == 0 else sum_axes(E, (1,), True)
    np.divide(E, T, out=E)
    S, P = (S.T, E.T) if axis == 0 else (S, E)
    return mean_cost(S, T, labels, ignore_index=ignore_index), P


@primitive(name="cross_entropy", types=None, opaque=True)
def mean_cost(S: Array, T: Array, labels: Array, *, ignore_index: int) -> Array:
    """L = mean(log T[i] - S[i, labels[i]]) of shifted scores S (m, n_classes), T the sums of their exponentials."""
    n_classes, rows = S.shape[1], np.arange(len(labels))
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= n_classes or 0 <= ignore_index < n_classes:
        kept = labels != ignore_index
        rows = np.flatnonzero(kept)
        labels = valid_labels(np.where(kept, labels, 0), n_classes=n_classes)[rows]
    total = np.add.reduce(np.log(T.reshape(-1)[rows]) - S[rows, labels])
    return total / len(rows) if len(rows) else total * math.nan


def _cost_and_probabilities(Z: Array, labels: Array, *, ignore_index: int) -> tuple[Array, Array]:
    """The article's cost for several classes, -1/m sum(Y * log(P)), and P."""
    S = Z - np.max(Z, axis=1, keepdims=True)
    log_P = S - np.log(np.sum(np.exp(S), axis=1, keepdims=True))
    Y = _one_hot(labels, Z.shape[1], ignore_index)
    return -np.sum(Y * log_P) / np.sum(labels != ignore_index, dtype=Z.dtype), np.exp(log_P)


cross_entropy_of_classes.composition = _cost_and_probabilities
cross_entropy_of_classes.needs_zeros = False  # P is seldom used by anything but the rule


@primitive(name="one_hot", types=None, opaque=True)
def one_hot_rows(labels: Array, *, n_classes: int, ignore_index: int, dtype: np.dtype[Any], out: Array = None) -> Array:
    """Y (m, n_classes) with Y[i, labels[i]] = 1 and zeros elsewhere; a row of zeros for ignore_index."""
    Y = zeroed((len(labels), n_classes), dtype, out)
    rows = np.flatnonzero(labels != ignore_index)
    Y[rows, labels[rows]] = 1
    return Y


def rows_of_labels(labels: Array, *, n_classes: int, ignore_index: int, dtype: np.dtype[Any]) -> Array:
    """As `_one_hot`, in numbers: truths have no minus. In a line of its own, which gives it its letter in sources."""
    Y = (labels[:, None] == _classes(n_classes, labels.ndim)).astype(dtype)
    return Y if ignore_index == IGNORED else Y * (labels != ignore_index)[:, None]


one_hot_rows.composition = rows_of_labels


def _log_probabilities_rule(dL: Array, L: Array, A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    """-Y, over m for a mean: each sample's or pixel's own label, and no other class."""
    if labels.ndim == 1:
        Y = one_hot_rows(labels, n_classes=A.shape[1], ignore_index=ignore_index, dtype=A.dtype)
    else:
        Y = one_hot_pixels(labels, n_classes=A.shape[1], ignore_index=ignore_index, dtype=A.dtype)
    if not mean:
        return Y * -dL
    return Y * (-dL / np.maximum(count_kept(labels, ignore_index=ignore_index, dtype=A.dtype), 1))


@primitive(name="nll_loss", types=None, opaque=True, dA=_log_probabilities_rule)
def log_likelihood_of_classes(A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    """L = -sum(A[i, labels[i]]) of log-probabilities A (m, n_classes), in nats; or the mean, per sample.

    Samples labelled ignore_index are left out.
    """
    kept = labels != ignore_index
    rows = np.flatnonzero(kept)
    labels = valid_labels(np.where(kept, labels, 0), n_classes=A.shape[1])[rows]
    total = -np.add.reduce(A[rows, labels])
    if not mean:
        return total
    return total / len(rows) if len(rows) else total * math.nan


def _cost_of_log_probabilities(A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    Y = rows_of_labels(labels, n_classes=A.shape[1], ignore_index=ignore_index, dtype=A.dtype)
    total = -np.sum(Y * A)
    return total / np.sum(labels != ignore_index, dtype=A.dtype) if mean else total


log_likelihood_of_classes.composition = _cost_of_log_probabilities


@primitive(name="nll_loss", types=None)
def valid_labels(labels: Array, *, n_classes: int) -> Array:
    """The labels themselves, once each is known to be one of 0 .. n_classes - 1."""
    check(
        np.logical_and(labels >= 0, labels < n_classes),
        f"Target out of bounds: labels must lie in 0..{n_classes - 1} (or be ignore_index)",
        IndexError,
        labels,
    )
    return labels


# --- of pixels: scores (m, n_classes, d1, ...) and labels (m, d1, ...), of which each is a sample


def _places(labels: Array, n_classes: int) -> Array:
    """Where each pixel's label lies in scores in a row: 45 us for 8 x 2 x 64 x 64, where indices of axes take 235."""
    m, n = len(labels), math.prod(labels.shape[1:])
    first = np.arange(m)[:, None] * (n_classes * n)
    return (labels.reshape(m, n) * n + (first + np.arange(n))).reshape(-1)


@primitive(name="one_hot", types=None, opaque=True, dP=_kept_rule)
def minus_one_hot_of_pixels(P: Array, labels: Array, *, ignore_index: int, out: Array = None) -> Array:
    """P - Y with Y[i, labels[i, j], j] = 1 and zeros elsewhere; 0 where the label is ignore_index."""
    D = room(P.shape, P.dtype, out)
    np.copyto(D, P)
    kept = labels != ignore_index
    places = _places(np.where(kept, labels, 0), P.shape[1])
    in_a_row = D.reshape(-1)
    in_a_row[places] = in_a_row.take(places) - 1
    if not kept.all():
        np.copyto(D, 0, where=~kept[:, None])
    return D


minus_one_hot_of_pixels.composition = _probabilities_minus_labels


@primitive(name="cross_entropy", types=None, opaque=True, dZ=_scores_rule)
def cross_entropy_of_pixels(Z: Array, labels: Array, *, ignore_index: int) -> tuple[Array, Array]:
    """L = -mean(log P[i, labels[i, j], j]) of scores Z (m, n_classes, d1, ...), in nats per pixel; and P = softmax(Z).

    Pixels labelled ignore_index are left out of the mean.
    """
    S = Z - np.maximum.reduce(Z, axis=1, keepdims=True)
    P = np.exp(S)
    T = np.add.reduce(P, axis=1, keepdims=True)
    np.divide(P, T, out=P)
    return mean_cost_of_pixels(S, T, labels, ignore_index=ignore_index), P


@primitive(name="cross_entropy", types=None, opaque=True)
def mean_cost_of_pixels(S: Array, T: Array, labels: Array, *, ignore_index: int) -> Array:
    """L = mean(log T[i, 0, j] - S[i, labels[i, j], j]) of shifted scores S, T the sums of their exponentials."""
    kept = labels != ignore_index
    labels = valid_labels(np.where(kept, labels, 0), n_classes=S.shape[1])
    losses = np.log(T).reshape(-1) - S.reshape(-1).take(_places(labels, S.shape[1]))
    losses = losses if kept.all() else losses[kept.reshape(-1)]
    total = np.add.reduce(losses)
    return total / losses.size if losses.size else total * math.nan


cross_entropy_of_pixels.composition = _cost_and_probabilities
cross_entropy_of_pixels.needs_zeros = False


@primitive(name="one_hot", types=None, opaque=True)
def one_hot_pixels(
    labels: Array, *, n_classes: int, ignore_index: int, dtype: np.dtype[Any], out: Array = None
) -> Array:
    """Y (m, n_classes, d1, ...) with Y[i, labels[i, j], j] = 1 and zeros elsewhere; zeros for ignore_index."""
    kept = labels != ignore_index
    Y = zeroed((len(labels), n_classes, *labels.shape[1:]), dtype, out)
    Y.reshape(-1)[_places(np.where(kept, labels, 0), n_classes)] = kept.reshape(-1)
    return Y


one_hot_pixels.composition = rows_of_labels


@primitive(name="nll_loss", types=None, opaque=True, dA=_log_probabilities_rule)
def log_likelihood_of_pixels(A: Array, labels: Array, *, ignore_index: int, mean: bool) -> Array:
    """L = -sum(A[i, labels[i, j], j]) of log-probabilities A (m, n_classes, d1, ...), in nats; or the mean, per pixel.

    Pixels labelled ignore_index are left out.
    """
    kept = labels != ignore_index
    labels = valid_labels(np.where(kept, labels, 0), n_classes=A.shape[1])
    picked = A.reshape(-1).take(_places(labels, A.shape[1]))[kept.reshape(-1)]
    total = -np.add.reduce(picked)
    if not mean:
        return total
    return total / picked.size if picked.size else total * math.nan


log_likelihood_of_pixels.composition = _cost_of_log_probabilities
