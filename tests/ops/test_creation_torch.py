"""Making tensors, their attributes and their random numbers, against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def same(ours: Any, theirs: Any) -> None:
    """Type, shape, dtype and numbers, exactly."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, tg.Tensor)
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert f"torch.{ours.dtype}" == str(theirs.dtype)
        assert ours.requires_grad == theirs.requires_grad
        assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())
    elif isinstance(theirs, torch.dtype):
        assert f"torch.{ours}" == str(theirs)
    elif isinstance(theirs, torch.Size):
        assert isinstance(ours, tg.Size)
        assert tuple(ours) == tuple(theirs)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs or (ours != ours and theirs != theirs)


MAKERS: dict[str, Callable[[Any], Any]] = {
    "tensor-float": lambda m: m.tensor(1.5),
    "tensor-int": lambda m: m.tensor(3),
    "tensor-bool": lambda m: m.tensor(True),
    "tensor-list": lambda m: m.tensor([1.0, 2.0]),
    "tensor-nested": lambda m: m.tensor([[1, 2], [3, 4]]),
    "tensor-mixed": lambda m: m.tensor([1, 2.5]),
    "tensor-bools": lambda m: m.tensor([True, False]),
    "tensor-bools-and-ints": lambda m: m.tensor([True, 2]),
    "tensor-empty": lambda m: m.tensor([]),
    "tensor-empty-nested": lambda m: m.tensor([[], []]),
    "tensor-tuple": lambda m: m.tensor((1, 2)),
    "tensor-range": lambda m: m.tensor(range(3)),
    "tensor-dtype": lambda m: m.tensor([1, 2], dtype=m.float64),
    "tensor-to-int": lambda m: m.tensor([1.7, -2.7], dtype=m.int64),
    "tensor-to-bool": lambda m: m.tensor([0.0, 0.5], dtype=m.bool),
    "tensor-python-dtype": lambda m: m.tensor([1, 2], dtype=float),
    "tensor-array": lambda m: m.tensor(np.array([1.0, 2.0])),
    "tensor-array-int32": lambda m: m.tensor(np.array([1, 2], np.int32)),
    "tensor-numpy-scalar": lambda m: m.tensor(np.float64(2.5)),
    "tensor-numpy-float32": lambda m: m.tensor(np.float32(2.5)),
    "tensor-list-of-arrays": lambda m: m.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "tensor-list-of-tensors": lambda m: m.tensor([m.tensor(1.0), m.tensor(2.0)]),
    "tensor-requires-grad": lambda m: m.tensor([1.0], requires_grad=True),
    "as_tensor-list": lambda m: m.as_tensor([1, 2]),
    "as_tensor-dtype": lambda m: m.as_tensor([1, 2], dtype=m.float32),
    "as_tensor-array": lambda m: m.as_tensor(np.array([1.5, 2.5])),
    "from_numpy": lambda m: m.from_numpy(np.array([[1, 2]], np.int16)),
    "zeros": lambda m: m.zeros(2, 3),
    "zeros-tuple": lambda m: m.zeros((2, 3)),
    "zeros-list": lambda m: m.zeros([2, 3]),
    "zeros-size": lambda m: m.zeros(m.ones(2, 3).shape),
    "zeros-size-keyword": lambda m: m.zeros(size=(2, 3)),
    "zeros-0-d": lambda m: m.zeros(()),
    "zeros-none": lambda m: m.zeros(0),
    "zeros-dtype": lambda m: m.zeros(2, dtype=m.int64),
    "zeros-requires-grad": lambda m: m.zeros(2, requires_grad=True),
    "ones": lambda m: m.ones(2, 3, dtype=m.float64),
    "ones-bool": lambda m: m.ones(2, dtype=m.bool),
    "full": lambda m: m.full((2, 3), 1.5),
    "full-int": lambda m: m.full((2,), 7),
    "full-bool": lambda m: m.full((2,), True),
    "full-dtype": lambda m: m.full((2,), 7, dtype=m.float32),
    "full-0-d": lambda m: m.full((), 7.0),
    "full-infinite": lambda m: m.full((2,), math.inf),
    "eye": lambda m: m.eye(3),
    "eye-rectangular": lambda m: m.eye(2, 4),
    "eye-dtype": lambda m: m.eye(2, dtype=m.int32),
    "arange": lambda m: m.arange(5),
    "arange-from": lambda m: m.arange(2, 7),
    "arange-step": lambda m: m.arange(1, 10, 3),
    "arange-down": lambda m: m.arange(5, 0, -2),
    "arange-float": lambda m: m.arange(0.0, 1.0, 0.1),
    "arange-float-end": lambda m: m.arange(2.5),
    "arange-mixed": lambda m: m.arange(1, 2, 0.25),
    "arange-dtype": lambda m: m.arange(4, dtype=m.float32),
    "arange-empty": lambda m: m.arange(0),
    "arange-long": lambda m: m.arange(0, 1000, 0.37),
    "arange-keywords": lambda m: m.arange(start=1, end=4),
    "arange-double": lambda m: m.arange(0, 1, 0.1, dtype=m.float64),
    "linspace": lambda m: m.linspace(0, 1, 5),
    "linspace-one": lambda m: m.linspace(2, 3, 1),
    "linspace-down": lambda m: m.linspace(3.0, -1.0, 9),
    "linspace-double": lambda m: m.linspace(-1, 1, 7, dtype=m.float64),
    "linspace-keyword": lambda m: m.linspace(0, 10, steps=11),
    "linspace-many": lambda m: m.linspace(0.3, 7.7, 301),
    "linspace-many-double": lambda m: m.linspace(-3, 100, 117, dtype=m.float64),
    "linspace-none": lambda m: m.linspace(0, 1, 0),
    "zeros_like": lambda m: m.zeros_like(m.ones(2, 3)),
    "ones_like-dtype": lambda m: m.ones_like(m.ones(2, dtype=m.int64), dtype=m.float32),
    "full_like": lambda m: m.full_like(m.ones(2, 3, dtype=m.int64), 4),
    "full_like-truncates": lambda m: m.full_like(m.ones(2, dtype=m.int64), 4.0),
    "zeros_like-grad": lambda m: m.zeros_like(m.ones(2), requires_grad=True),
    "empty": lambda m: m.empty(2, 3).shape,
    "empty_like": lambda m: m.empty_like(m.ones(2, 3, dtype=m.int64)).dtype,
    "new_zeros": lambda m: m.ones(2, dtype=m.float64).new_zeros(3, 1),
    "new_full": lambda m: m.ones(2, dtype=m.int64).new_full((2,), 3),
    "new_tensor": lambda m: m.ones(2, dtype=m.float64).new_tensor([1, 2]),
    "is_tensor": lambda m: (m.is_tensor(m.ones(1)), m.is_tensor([1])),
}


@pytest.mark.parametrize("name", MAKERS)
def test_constructor_is_pytorchs(name):
    """The same call makes the same tensor: numbers, shape, dtype, requires_grad."""
    ours, theirs = MAKERS[name](tg), MAKERS[name](torch)
    if name.startswith("arange-") and theirs.is_floating_point():
        assert f"torch.{ours.dtype}" == str(theirs.dtype)
        # PyTorch steps by vectors, in the dtype itself: an ulp or two
        assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-7 if ours.dtype == np.float32 else 4e-16, atol=2e-16)
    else:
        same(ours, theirs)


X = [[1.0, -2.0, 3.5], [0.0, 0.25, -1.0]]
FACTS: dict[str, Callable[[Any, Any], Any]] = {
    "shape": lambda m, x: x.shape,
    "size": lambda m, x: x.size(),
    "size-dim": lambda m, x: (x.size(0), x.size(-1), x.shape[1]),
    "shape-numel": lambda m, x: x.shape.numel(),
    "numel": lambda m, x: (x.numel(), x.nelement(), m.numel(x)),
    "dim": lambda m, x: (x.dim(), x.ndim),
    "dtype": lambda m, x: x.dtype,
    "len": lambda m, x: len(x),
    "iteration": lambda m, x: [r.tolist() for r in x],
    "tolist": lambda m, x: x.tolist(),
    "item": lambda m, x: x[0, 2].item(),
    "item-of-one": lambda m, x: x[:1, :1].item(),
    "item-int": lambda m, x: x.long()[0, 0].item(),
    "item-bool": lambda m, x: (x > 0)[0, 0].item(),
    "float": lambda m, x: (float(x[0, 1]), int(x[0, 2]), bool(x[1, 0])),
    "index": lambda m, x: [10, 20, 30][m.tensor(1)],
    "is_floating_point": lambda m, x: (x.is_floating_point(), x.long().is_floating_point()),
    "is_leaf": lambda m, x: (x.is_leaf, (x * 2).is_leaf, x.clone().requires_grad_().is_leaf),
    "element_size": lambda m, x: (x.element_size(), x.double().element_size(), x.bool().element_size()),
    "stride": lambda m, x: (x.stride(), x.T.stride(), x.stride(0)),
    "is_contiguous": lambda m, x: (x.is_contiguous(), x.T.is_contiguous(), x.T.contiguous().is_contiguous()),
    "contains": lambda m, x: (3.5 in x, 7.0 in x),
    "equality": lambda m, x: (x == x).all().item(),
    "comparison": lambda m, x: ((x > 0).tolist(), (0 < x).tolist(), (x != 0).tolist(), (x <= 0.25).tolist()),
    "float-of": lambda m, x: x.double().float(),
    "long": lambda m, x: x.long(),
    "int": lambda m, x: x.int(),
    "bool": lambda m, x: x.bool(),
    "to-dtype": lambda m, x: x.to(m.int64),
    "to-keyword": lambda m, x: x.to(dtype=m.float64),
    "to-tensor": lambda m, x: x.to(m.ones(1, dtype=m.float64)),
    "to-cpu": lambda m, x: x.to("cpu"),
    "to-device-and-dtype": lambda m, x: x.to("cpu", m.float64),
    "to-same-is-itself": lambda m, x: x.to(m.float32) is x,
    "to-copy": lambda m, x: x.to(m.float32, copy=True) is x,
    "cpu": lambda m, x: x.cpu(),
    "type_as": lambda m, x: x.type_as(m.ones(1, dtype=m.int64)),
    "detach": lambda m, x: (x.detach().requires_grad, x.requires_grad_().detach().requires_grad),
    "equal": lambda m, x: (m.equal(x, x.clone()), m.equal(x, x + 1), m.equal(x, x[0])),
    "allclose": lambda m, x: (m.allclose(x, x + 1e-9), m.allclose(x, x + 1), x.allclose(x)),
    "isclose": lambda m, x: m.isclose(x, x * 1.000001, rtol=1e-5).tolist(),
    "hash": lambda m, x: len({x, x, x.clone()}),
    "logic": lambda m, x: ((x > 0) & (x < 3), (x > 0) | (x < -1), ~(x > 0), (x > 0) ^ (x < 3)),
    "numpy": lambda m, x: x.numpy().tolist(),
    "format": lambda m, x: f"{x[0, 0]:.3f} {x.sum():.2e}",
    "all-any": lambda m, x: ((x > -9).all().item(), (x > 9).any().item()),
    "grad-is-none": lambda m, x: x.grad,
    "0-d": lambda m, x: (x.sum().shape, x.sum().dim(), x.sum().numel()),
    "empty": lambda m, x: (x[:0].numel(), x[:0].tolist(), len(x[:0])),
    "unpack": lambda m, x: [r.sum().item() for r in (lambda a, b: (b, a))(*x)],
    "square": lambda m, x: x.int() ** 2 // 2 % 3,
    "inplace": lambda m, x: x.clone().add_(1).mul_(2).sub_(0.5).div_(4).clamp_(min=0).neg_().abs_().zero_(),
    "inplace-functions": lambda m, x: x.clone().square_().sqrt_().floor_().sign_().relu_(),
    "fill_": lambda m, x: x.clone().fill_(7),
    "copy_": lambda m, x: x.clone().copy_(x[0]),
    "augmented": lambda m, x: _augmented(x.clone()),
    "setitem": lambda m, x: _assigned(x.clone()),
}


def _augmented(x: Any) -> Any:
    x += 1
    x -= 0.5
    x *= 3
    x /= 2
    x **= 2
    x //= 2
    x %= 3
    return x


def _assigned(x: Any) -> Any:
    x[0] = 5
    x[:, 1] = x[:, 0]
    x[x > 4] = 0
    x[1, [0, 2]] = -1
    return x


@pytest.mark.parametrize("name", FACTS)
def test_attribute_or_method_is_pytorchs(name):
    """What a tensor says of itself, and its conversions, are PyTorch's."""
    ours, theirs = FACTS[name](tg, tg.tensor(X)), FACTS[name](torch, torch.tensor(X))
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (ours, theirs)), strict=True):
        same(a, b)


IN_PLACE = (
    "abs_", "add_", "clamp_", "cos_", "div_", "exp_", "expm1_", "floor_", "log_", "log1p_", "mul_", "neg_",
    "pow_", "relu_", "remainder_", "sigmoid_", "sign_", "sin_", "sqrt_", "square_", "sub_", "tanh_", "clamp_min_",
)  # fmt: skip
TWO = {"add_", "sub_", "mul_", "div_", "pow_", "remainder_", "clamp_min_", "clamp_"}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_form_is_pytorchs(name, rng):
    """x.f_(...) on an intermediate value: the same tensor, numbers and gradient as PyTorch's."""
    x = rng.uniform(0.5, 2.0, (2, 3))
    grads, values = [], []
    for m in (tg, torch):
        leaf = m.tensor(x, dtype=m.float64, requires_grad=True)
        y = leaf * 1.5
        kept = y
        assert getattr(y, name)(*([0.75] if name in TWO else [])) is kept
        (y * y).sum().backward()
        values.append(y.detach().numpy())
        grads.append(leaf.grad.numpy())
    assert_allclose(values[0], values[1], rtol=1e-14)
    assert_allclose(grads[0], grads[1], rtol=1e-13)


DRAWS: dict[str, Callable[[Any], Any]] = {
    "rand": lambda m: m.rand(7),
    "rand-double": lambda m: m.rand(5, 3, dtype=m.float64),
    "rand-tuple": lambda m: m.rand((2, 3)),
    "rand-size": lambda m: m.rand(size=(2, 3)),
    "rand_like": lambda m: m.rand_like(m.ones(2, 3)),
    "randint": lambda m: m.randint(10, (20,)),
    "randint-between": lambda m: m.randint(-5, 5, (4, 5)),
    "randint-keywords": lambda m: m.randint(low=0, high=3, size=(6,)),
    "randint-wide": lambda m: m.randint(0, 2**40, (6,)),
    "randint_like": lambda m: m.randint_like(m.ones(5), 7),
    "randperm": lambda m: m.randperm(10),
    "randperm-one": lambda m: m.randperm(1),
    "several": lambda m: m.cat([m.rand(3), m.randint(9, (3,)).float(), m.randperm(3).float(), m.rand(2)]),
    "uniform_": lambda m: m.empty(6).uniform_(-2, 3),
}
NORMAL: dict[str, Callable[[Any], Any]] = {
    "few": lambda m: m.randn(7),
    "fifteen": lambda m: m.randn(15),
    "sixteen": lambda m: m.randn(16),
    "seventeen": lambda m: m.randn(17),
    "many": lambda m: m.randn(10, 13),
    "double": lambda m: m.randn(33, dtype=m.float64),
    "few-double": lambda m: m.randn(5, dtype=m.float64),
    "odd-then-odd": lambda m: m.cat([m.randn(3), m.randn(4)]),
    "after-rand": lambda m: m.cat([m.rand(3), m.randn(20), m.rand(2)]),
    "randn_like": lambda m: m.randn_like(m.ones(4, 5)),
    "normal_": lambda m: m.empty(20).normal_(1.0, 0.5),
}


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_pytorchs(name, seed):
    """manual_seed(s) starts PyTorch's own stream: uniforms, integers and permutations are equal to the bit."""
    for m in (tg, torch):
        m.manual_seed(seed)
    ours, theirs = DRAWS[name](tg), DRAWS[name](torch)
    same(ours, theirs)


@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize("name", NORMAL)
def test_normals_are_pytorchs(name, seed):
    """Normals agree to the rounding of log, sin and cos, which PyTorch computes by vector instructions."""
    for m in (tg, torch):
        m.manual_seed(seed)
    ours, theirs = NORMAL[name](tg), NORMAL[name](torch)
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    # A few ulp of float32 at magnitudes up to 4
    assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6 if ours.dtype == np.float32 else 1e-14)


def test_a_generator_is_a_stream_of_its_own():
    """A Generator draws PyTorch's numbers for its seed and leaves the default stream alone."""
    results = []
    for m in (tg, torch):
        m.manual_seed(3)
        g = m.Generator()
        g.manual_seed(8)
        results.append([m.rand(3, generator=g).tolist(), m.rand(3).tolist(), m.randperm(4, generator=g).tolist()])
    assert results[0] == results[1]


def test_the_older_constructor_agrees():
    """Tensor.new of lengths, of a list, of a shape, of nothing: shapes, dtypes, the list's numbers."""
    found = []
    for lib in (torch, tg):
        t = lib.ones(2, 3, dtype=lib.float64)
        made = [t.new(2, 4), t.new([1, 2]), t.new(), t.new(lib.zeros(2, 1).size()), t.new(2, 2).zero_()]
        found.append([(tuple(x.shape), str(x.dtype).removeprefix("torch.")) for x in made])
        assert made[1].tolist() == [1.0, 2.0]
    assert found[0] == found[1]


def test_resizing_in_place_agrees():
    """To fewer, to more and back, to none; the tensor stays the same one, and copy_ fills it."""
    for lib in (torch, tg):
        x = lib.arange(6)
        assert x.resize_(2, 2) is x
        assert x.tolist() == [[0, 1], [2, 3]]
        assert tuple(x.resize_((3, 4)).shape) == (3, 4)
        assert x[0].tolist() == [0, 1, 2, 3]
        assert tuple(x.resize_as_(lib.ones(2, 1)).shape) == (2, 1)
        assert tuple(x.resize_(0).shape) == (0,)
        assert x.resize_(2, 2).copy_(lib.ones(2, 2)).tolist() == [[1, 1], [1, 1]]
        with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
            lib.ones(2, requires_grad=True).resize_(1)


def test_what_is_no_plain_memory_is_not_resized():
    """The message says what to write."""
    with pytest.raises(RuntimeError, match=r"resize_: .*clone"):
        tg.ones(2, 3).T.resize_(2)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 4096, 4097, 8193])
def test_draws_of_any_number_are_pytorchs(count):
    """They are made some thousands at a time."""
    tg.manual_seed(3)
    torch.manual_seed(3)
    for _ in range(2):
        for dtype in ("float32", "float64"):
            ours, theirs = tg.rand(count, dtype=getattr(tg, dtype)), torch.rand(count, dtype=getattr(torch, dtype))
            assert_array_equal(ours.numpy(), theirs.numpy())
            ours, theirs = tg.randn(count, dtype=getattr(tg, dtype)), torch.randn(count, dtype=getattr(torch, dtype))
            assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
