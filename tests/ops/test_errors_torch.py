"""Where PyTorch refuses, so do we, with an exception that a handler written for PyTorch's catches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import functional
from tinygrad_edu.ops import activation

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

BOTH: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda m, F: m.ones(2, 3) + m.ones(4),
    "integer-quotient": lambda m, F: m.tensor([5, -3]) // m.tensor([2, 0]),
    "integer-quotient-by-number": lambda m, F: m.tensor([5]) // 0,
    "integer-rest": lambda m, F: 5 % m.tensor(0),
    "integer-fmod": lambda m, F: m.fmod(m.tensor([5]), 0),
    "integer-trunc": lambda m, F: m.div(m.tensor([5]), m.tensor([0]), rounding_mode="trunc"),
    "where": lambda m, F: m.where(m.ones(2) > 0, m.ones(3), m.ones(2)),
    "where-condition": lambda m, F: m.where(m.ones(2), m.ones(2), m.ones(2)),
    "matmul": lambda m, F: m.ones(2, 3) @ m.ones(4, 5),
    "matmul-vector": lambda m, F: m.ones(2, 3) @ m.ones(4),
    "matmul-stack": lambda m, F: m.ones(2, 2, 3) @ m.ones(3, 3, 4),
    "matmul-0-d": lambda m, F: m.matmul(m.tensor(1.0), m.ones(3)),
    "matmul-types": lambda m, F: m.ones(2, 3) @ m.ones(3, 2, dtype=m.float64),
    "matmul-integers": lambda m, F: m.ones(2, 3) @ m.ones(3, 2, dtype=m.int64),
    "dot": lambda m, F: m.dot(m.ones(2), m.ones(3)),
    "dot-matrix": lambda m, F: m.dot(m.ones(2, 2), m.ones(2)),
    "mm": lambda m, F: m.mm(m.ones(3), m.ones(3, 2)),
    "reshape": lambda m, F: m.ones(2, 3).reshape(4, 2),
    "reshape-two": lambda m, F: m.ones(2, 3).reshape(-1, -1),
    "reshape-fraction": lambda m, F: m.ones(2, 3).reshape(1.5, 4),
    "view": lambda m, F: m.ones(2, 3).T.view(6),
    "expand": lambda m, F: m.ones(2, 3).expand(4, 3),
    "permute": lambda m, F: m.ones(2, 3).permute(0, 0),
    "permute-too-few": lambda m, F: m.ones(2, 3).permute(0),
    "transpose": lambda m, F: m.ones(2, 3).transpose(0, 2),
    "t": lambda m, F: m.ones(2, 3, 4).t(),
    "squeeze": lambda m, F: m.ones(2, 3).squeeze(3),
    "unsqueeze": lambda m, F: m.ones(2, 3).unsqueeze(4),
    "flatten": lambda m, F: m.ones(2, 3).flatten(1, 0),
    "cat": lambda m, F: m.cat([m.ones(2, 3), m.ones(2, 4)]),
    "cat-nothing": lambda m, F: m.cat([]),
    "cat-0-d": lambda m, F: m.cat([m.tensor(1.0), m.tensor(2.0)]),
    "cat-tensor": lambda m, F: m.cat(m.ones(2, 3)),
    "cat-number": lambda m, F: m.cat([m.ones(2), 1.0]),
    "stack": lambda m, F: m.stack([m.ones(2), m.ones(3)]),
    "stack-nothing": lambda m, F: m.stack([]),
    "sum-dim": lambda m, F: m.ones(2, 3).sum(2),
    "sum-twice": lambda m, F: m.ones(2, 3).sum((0, 0)),
    "sum-fraction": lambda m, F: m.ones(2, 3).sum(0.5),
    "mean-integers": lambda m, F: m.ones(2, dtype=m.int64).mean(),
    "var-integers": lambda m, F: m.ones(2, dtype=m.int64).var(),
    "softmax-integers": lambda m, F: m.ones(2, dtype=m.int64).softmax(0),
    "max-nothing": lambda m, F: m.ones(0).max(),
    "max-nothing-dim": lambda m, F: m.ones(0, 3).max(0),
    "amax-nothing": lambda m, F: m.ones(0, 3).amax(0),
    "argmax-nothing": lambda m, F: m.ones(0, 3).argmax(0),
    "index": lambda m, F: m.ones(2, 3)[5],
    "index-array": lambda m, F: m.ones(2, 3)[m.tensor([0, 5])],
    "index-too-many": lambda m, F: m.ones(2, 3)[0, 0, 0],
    "index-float": lambda m, F: m.ones(2, 3)[m.tensor([0.0])],
    "index-mask": lambda m, F: m.ones(2, 3)[m.tensor([True, False, True])],
    "index-step": lambda m, F: m.ones(3)[::-1],
    "index-apart": lambda m, F: m.ones(2, 3)[[0, 1], [0, 1, 1]],
    "setitem-index": lambda m, F: m.ones(2, 3).__setitem__(5, 0.0),
    "setitem-shape": lambda m, F: m.ones(2, 3).__setitem__(0, m.ones(4)),
    "setitem-leaf": lambda m, F: m.ones(2, requires_grad=True).__setitem__(0, 1.0),
    "take_along_dim": lambda m, F: m.ones(2, 3).take_along_dim(m.ones(1, 1), 1),
    "leaf-in-place": lambda m, F: m.ones(2, requires_grad=True).add_(1),
    "in-place-type": lambda m, F: m.ones(2, dtype=m.int64).mul_(0.5),
    "in-place-shape": lambda m, F: m.ones(2).add_(m.ones(3, 2)),
    "negative-size": lambda m, F: m.zeros(-1),
    "negative-rand": lambda m, F: m.rand(2, -1),
    "fractional-size": lambda m, F: m.zeros(2.5),
    "negative-eye": lambda m, F: m.eye(-1),
    "randperm": lambda m, F: m.randperm(-1),
    "randint": lambda m, F: m.randint(5, 5, (2,)),
    "linspace": lambda m, F: m.linspace(0, 1, -1),
    "arange": lambda m, F: m.arange(0, 5, -1),
    "arange-0": lambda m, F: m.arange(0, 5, 0),
    "rand-integers": lambda m, F: m.rand(2, dtype=m.int64),
    "integer-gradient": lambda m, F: m.tensor([1], requires_grad=True),
    "integer-gradient-later": lambda m, F: m.tensor([1]).requires_grad_(),
    "tensor-text": lambda m, F: m.tensor("a"),
    "tensor-ragged": lambda m, F: m.tensor([[1, 2], [3]]),
    "tensor-object": lambda m, F: m.tensor([object()]),
    "tensor-none": lambda m, F: m.tensor(None),
    "from_numpy": lambda m, F: m.from_numpy([1.0]),
    "from_numpy-text": lambda m, F: m.from_numpy(np.array(["a"])),
    "item": lambda m, F: m.ones(2).item(),
    "bool": lambda m, F: bool(m.ones(2)),
    "len": lambda m, F: len(m.tensor(1.0)),
    "iteration": lambda m, F: list(m.tensor(1.0)),
    "numpy": lambda m, F: m.ones(2, requires_grad=True).numpy(),
    "plus-text": lambda m, F: m.ones(2) + "a",
    "times-list": lambda m, F: m.ones(2) * [1, 2],
    "minus-none": lambda m, F: m.ones(2) - None,
    "minus-booleans": lambda m, F: (m.ones(2) > 0) - (m.ones(2) > 0),
    "negative-booleans": lambda m, F: -(m.ones(2) > 0),
    "bits-of-floats": lambda m, F: m.ones(2) & m.ones(2),
    "inverse-of-floats": lambda m, F: ~m.ones(2),
    "integer-power": lambda m, F: m.ones(2, dtype=m.int64) ** -1,
    "clamp": lambda m, F: m.ones(2).clamp(),
    "rounding": lambda m, F: m.div(m.ones(2), 2, rounding_mode="up"),
    "backward": lambda m, F: (m.ones(2, requires_grad=True) * 2).backward(),
    "backward-nothing": lambda m, F: m.ones(1).backward(),
    "backward-gradient": lambda m, F: (m.ones(2, requires_grad=True) * 2).backward(m.ones(3)),
    "retain_grad": lambda m, F: m.ones(2).retain_grad(),
    "requires_grad": lambda m, F: (m.ones(2, requires_grad=True) * 2).requires_grad_(False),
    "softmax-dim": lambda m, F: m.ones(2).softmax(2),
    "mse-shape": lambda m, F: F.mse_loss(m.ones(2), m.ones(3)),
    "mse-reduction": lambda m, F: F.mse_loss(m.ones(2), m.ones(2), reduction="average"),
    "bce-shape": lambda m, F: F.binary_cross_entropy(m.ones(2), m.ones(2, 1)),
    "bce-range": lambda m, F: F.binary_cross_entropy(m.ones(2) * 2, m.ones(2)),
    "bce-logits-shape": lambda m, F: F.binary_cross_entropy_with_logits(m.ones(2), m.ones(2, 1)),
    "ce-range": lambda m, F: F.cross_entropy(m.ones(2, 3), m.tensor([0, 3])),
    "ce-negative": lambda m, F: F.cross_entropy(m.ones(2, 3), m.tensor([0, -1])),
    "ce-shape": lambda m, F: F.cross_entropy(m.ones(2, 3), m.tensor([0, 1, 2])),
    "ce-float-labels": lambda m, F: F.cross_entropy(m.ones(2, 3), m.ones(2)),
    "ce-integers": lambda m, F: F.cross_entropy(m.ones(2, 3, dtype=m.int64), m.tensor([0, 1])),
    "ce-weight": lambda m, F: F.cross_entropy(m.ones(2, 3), m.tensor([0, 1]), weight=m.ones(2)),
    "ce-reduction": lambda m, F: F.cross_entropy(m.ones(2, 3), m.tensor([0, 1]), reduction="average"),
    "nll-range": lambda m, F: F.nll_loss(m.ones(2, 3), m.tensor([0, 3])),
    "nll-shape": lambda m, F: F.nll_loss(m.ones(2, 3), m.tensor([0, 1, 1])),
    "nll-labels": lambda m, F: F.nll_loss(m.ones(2, 3), m.ones(2)),
    "default-dtype": lambda m, F: m.set_default_dtype(m.int64),
}


class OurF:
    """nn.functional's names, from the rule book."""

    mse_loss = staticmethod(functional.mse_loss)
    nll_loss = staticmethod(functional.nll_loss)
    cross_entropy = staticmethod(functional.cross_entropy)
    binary_cross_entropy = staticmethod(functional.binary_cross_entropy)
    binary_cross_entropy_with_logits = staticmethod(functional.binary_cross_entropy_with_logits)
    softmax = staticmethod(activation.softmax)


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")  # PyTorch's, before it refuses
@pytest.mark.parametrize("name", BOTH)
def test_refusal_is_caught_as_pytorchs(name):
    """PyTorch raises, we raise, and our exception is one of the class that PyTorch raised."""
    with pytest.raises(Exception) as theirs:  # whatever it is: ours is held to it below
        BOTH[name](torch, torch.nn.functional)
    expected = RuntimeError if theirs.type is NotImplementedError else theirs.type
    with pytest.raises(expected) as ours:
        BOTH[name](tg, OurF)
    assert str(ours.value)
