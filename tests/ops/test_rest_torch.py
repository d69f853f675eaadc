"""Functions and corners that no table of operations has, side by side with PyTorch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

RNG = np.random.default_rng(0)
X, S = (RNG.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 4)))
IMAGE = RNG.standard_normal((1, 1, 8, 8)).astype(np.float32)
LOG_PROBS = np.log(RNG.dirichlet(np.ones(5), (6, 2))).astype(np.float32)
BYTES = np.arange(6, dtype=np.float32).tobytes()


def ctc(lib, log_probs, reduction):
    targets, lengths = lib.tensor([[1, 2], [3, 4]]), (lib.tensor([6, 6]), lib.tensor([2, 2]))
    return lib.ctc_loss(log_probs, targets, *lengths, 0, reduction)


def fractional(lib, x):
    samples = lib.full((1, 1, 2), 0.3)
    pool = lib.nn.functional.fractional_max_pool2d_with_indices
    return pool(x, 2, output_size=(3, 3), _random_samples=samples)


def nothing_scattered(lib, x):
    nowhere = lib.zeros(0, 4).long()
    added, reduced = lib.scatter_add(x, 0, nowhere, x), lib.scatter_reduce(x, 0, nowhere, x, "amax")
    return added, reduced, x.masked_scatter(lib.zeros(3, 4).bool(), x[:0])


CASES = {
    "chain_matmul": (lambda lib, x, s: lib.chain_matmul(x, s, s), X, S),
    "chain_matmul of one": (lambda lib, x: lib.chain_matmul(x), X),
    "frombuffer": (lambda lib: lib.frombuffer(bytearray(BYTES), dtype=lib.float32, count=2, offset=4),),
    "alpha_dropout": (lambda lib, x: lib.alpha_dropout(x, 0.3, False), X),
    "feature_alpha_dropout": (lambda lib, x: lib.feature_alpha_dropout(x, 0.3, False), X),
    "ctc_loss, each": (lambda lib, x: ctc(lib, x, 0), LOG_PROBS),
    "ctc_loss, mean": (lambda lib, x: ctc(lib, x, 1), LOG_PROBS),
    "fractional_max_pool2d_with_indices": (fractional, IMAGE),
    "cross along the first axis of 3": (lambda lib, x: lib.cross(x, 2 * x + x.flip(0)), X),
    "max, pickled": (lambda lib, x: tuple(pickle.loads(pickle.dumps(lib.max(x, 1)))), X),
    "isclose of NaN": (lambda lib, x: lib.isclose(x / 0 * 0, x / 0 * 0, equal_nan=True), X),
    "real numbers": (lambda lib, x: (lib.real(x), x.conj()), X),
    "of no columns": (lambda lib, x: (lib.linalg.pinv(x[:, :0]), lib.linalg.matrix_rank(x[:, :0])), X),
    "matrix_exp of nothing": (lambda lib, x: lib.matrix_exp(x[:0, :0]), X),
    "nothing scattered": (nothing_scattered, X),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch deprecates some
@pytest.mark.parametrize("name", CASES)
def test_as_in_pytorch(name):
    """Results, shapes and dtypes."""
    function, *arrays = CASES[name]
    with np.errstate(all="ignore"):
        ours, theirs = (function(lib, *(lib.tensor(x) for x in arrays)) for lib in (te, torch))
    pairs = zip(*((y if isinstance(y, tuple) else (y,)) for y in (ours, theirs)), strict=True)
    for a, b in pairs:
        assert a.numpy().dtype == b.numpy().dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_texts_of_float_limits():
    """repr(finfo) is PyTorch's."""
    assert repr(te.finfo(te.float32)) == repr(torch.finfo(torch.float32))


def test_numpys_names_of_what_torch_has_not():
    """NumPy's functions on Tensors give what they give on arrays."""
    x, A = te.tensor(X), np.eye(4, dtype=np.float32).reshape(2, 2, 4) + 0.1
    functions = [
        np.imag,
        np.minimum.reduce,
        lambda x: np.compress([True, False, True], x),
        lambda x: np.sort(np.partition(x, 2, axis=None)[:3]),
        lambda x: np.interp(np.array([1.0, 2.0], np.float32), x[0, :1], x[1, :1]),
    ]
    for function in functions:
        np.testing.assert_allclose(np.asarray(function(x)), function(X), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(np.linalg.tensorinv(te.tensor(A))), np.linalg.tensorinv(A), rtol=1e-5)
