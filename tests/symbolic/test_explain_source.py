"""e.source() runs with NumPy alone, given the leaves, and computes every line's value."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

X = lambda: te.tensor(np.random.default_rng(0).standard_normal((6, 3)))
LABELS = te.tensor([0, 3, 1, 2, 2, 0])


def around(*layers):
    return lambda: (nn.Sequential(nn.Linear(3, 8), *layers, nn.Linear(8, 4)).double()(X()) ** 2).mean()


def classified(*layers):
    return lambda: F.cross_entropy(nn.Sequential(nn.Linear(3, 8), *layers, nn.Linear(8, 4)).double()(X()), LABELS)


def pictures():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)).double()
    return (model(te.tensor(np.random.default_rng(0).standard_normal((2, 1, 8, 8)))) ** 2).mean()


LOSSES = {
    "cross-entropy": classified(nn.ReLU()),
    "gelu": classified(nn.GELU()),
    "nll": lambda: F.nll_loss(F.log_softmax(nn.Linear(3, 4).double()(X()), 1), LABELS),
    "ignored": lambda: F.cross_entropy(nn.Linear(3, 4).double()(X()), te.tensor([0, -100, 1, 2, -100, 0])),
    "embedding": lambda: nn.Linear(5, 1).double()(nn.Embedding(4, 5).double()(LABELS)).mean(),
    "convolution": pictures,
    "layer norm": around(nn.LayerNorm(8)),
    "LSTM": lambda: (nn.LSTM(3, 4, batch_first=True).double()(X()[None])[0] ** 2).mean(),
    "attention": lambda: (nn.TransformerEncoderLayer(3, 1, 8, 0.0, batch_first=True).double()(X()[None]) ** 3).mean(),
    "dropout": around(nn.Dropout(0.5)),
    "index": lambda: (nn.Linear(4, 5).double().weight[LABELS] ** 2).sum(),
    "sort": lambda: (nn.Linear(4, 5).double().weight.sort(0)[0] ** 3).sum(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_source_runs_with_numpy_alone(name):
    """Operations without a NumPy function are written out; labels become the one-hot rows that the formulas show."""
    te.manual_seed(0)
    explanation = te.explain(LOSSES[name]())
    text = explanation.source()
    assert "tinygrad" not in text
    scope = {given.name: np.asarray(given.value) for given in explanation.given}
    exec(text, scope)
    for line in explanation:
        expected = np.asarray(line.value)
        scale = max(np.abs(expected).max(), 1e-3)  # a gradient that cancels leaves rounding
        assert np.abs(np.reshape(scope[line.name], expected.shape) - expected).max() <= 1e-10 * scale, line.name
