"""Tensor side by side with PyTorch: what constructors make, what conversions give, and every text, to the character."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# --- the text


def examples():
    """Arrays of every notation, width and size that the text distinguishes."""
    rng = np.random.default_rng(0)
    inf, nan = np.inf, np.nan
    numbers = [
        *([1.0, 2.0], [0.5, -1.25], [1e-5, 1.0], [1e5, 1.0], [1e9, 1.0], [1e8, 2e8], [123456.0, 2.5], [1000.5, 1.0]),
        *([999.5, 1.0], [0.0], [-0.0], [], [nan], [inf, 1.0], [nan, 1.5], [-inf, 1e10], [1e-10], [1e-4, 1.0]),
        *([0.9999e-4, 1.0], [1e20], [12345678.0], [123456789.0], [100000000.0], [100000001.0], 3.5, 2.0, -7.0, nan),
        *(inf, -inf, 1e-7, 1e10, 1234.5678, [[1.0, 2.0], [3.0, 4.0]], [[[1.0], [2.0]], [[3.0], [4.0]]], [0.1, 1000.0]),
        *([0.1, 100.0], [0.001, 1.0], [0.00101, 1.0], [1.0, nan, inf], [3e38], [1 / 3, 2 / 3], [9999.9999, 1.0]),
        *([0.99999, 1.0], [-0.00004, 1.0], [0.0, 1e-3], [0.0, 1e-5], [1000.5, 0.5], [-1.0, inf], [-1.5, nan]),
    ]
    yield from (np.array(a, np.float32) for a in numbers)
    for shape in [(100,), (20, 30), (40, 50), (1001,), (3, 4, 5), (11, 12, 13), (2, 2, 2, 2), (7, 7, 7, 7), (1, 1001)]:
        yield rng.standard_normal(shape).astype(np.float32)
        yield np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        yield np.arange(np.prod(shape)).reshape(shape)
        yield rng.standard_normal(shape) > 0
    for scale in (1e-6, 1e3, 1e6, 1e12):
        yield (rng.standard_normal((5, 30)) * scale).astype(np.float32)
    for shape in [(0,), (0, 3), (2, 0), (2, 0, 3), (1000,), (1001, 1), (3, 1, 1), (1000, 2), (2, 1000), (2, 3, 200)]:
        yield np.zeros(shape, np.float32)
    yield from (np.array(a) for a in ([0], [1, -100], 5, [[1, 100], [0, 7]], [10**15, -3], True, [True, False]))
    for kind in (np.int32, np.int16, np.int8, np.uint8, np.float64):
        yield np.arange(60).reshape(3, 4, 5).astype(kind)
        yield np.arange(3).astype(kind)
        yield np.zeros((0, 2), kind)


EXAMPLES = list(examples())


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_text_is_pytorchs(number):
    """Equal to the character, but that a dtype is `float64` here and `torch.float64` there."""
    array = EXAMPLES[number]
    assert repr(tinygrad_edu.tensor(array)) == repr(torch.tensor(array)).replace("dtype=torch.", "dtype=")
    if array.dtype == np.float32:
        ours, theirs = (m.tensor(array, requires_grad=True) for m in (tinygrad_edu, torch))
        assert repr(ours) == repr(theirs)
        assert repr(ours * 1) == repr(theirs * 1)


# --- expressions, evaluated with both modules

EXPRESSIONS = """
m.tensor(3)
m.tensor([1, 2.5])
m.tensor([True, 2])
m.tensor([])
m.tensor([[]])
m.tensor([1, 2], dtype=m.float32)
m.tensor([1.7, -2.7], dtype=m.int64)
m.tensor([1.7, 0], dtype=m.bool)
m.tensor([300]).to(m.uint8)
m.tensor(np.float32(2.5))
m.tensor(np.float64(2.5))
m.tensor(np.array([1, 2], dtype=np.int32))
m.tensor([np.float64(1.0), 2])
m.tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
m.tensor([m.tensor(1.0), m.tensor(2.0)])
m.tensor(m.tensor([1.0, 2.0]))
m.tensor(range(3))
m.tensor((1, 2))
m.tensor(2**63 - 1)
m.tensor([1.0, 2.0], requires_grad=True)
m.tensor([1, 2], dtype=float)
m.tensor([1, 2], dtype=int)
m.zeros(2, 3)
m.zeros((2, 3))
m.zeros([2, 3])
m.zeros(())
m.zeros(0)
m.zeros(size=(2, 3))
m.zeros(2, 3, dtype=m.int64)
m.ones(2, dtype=m.bool)
m.ones(2, requires_grad=True)
m.full((2, 3), 7)
m.full((2, 3), 7.0)
m.full((2,), True)
m.full((), 3)
m.full((2,), m.tensor(3.0))
m.full(size=(2,), fill_value=3)
m.eye(3)
m.eye(2, 3)
m.eye(2, dtype=m.int64)
m.arange(5)
m.arange(1, 5, 2)
m.arange(5.0)
m.arange(0, 1, 0.1)
m.arange(1, 2.5)
m.arange(5, 0, -1)
m.arange(3, 3)
m.arange(5, dtype=m.float32)
m.arange(end=3)
m.arange(start=1, end=4, step=2)
m.arange(0, 10, 3.3)
m.linspace(0, 1, 5)
m.linspace(0, 1, 1)
m.linspace(0, 1, 0)
m.linspace(-3.3, 7.7, 13)
m.linspace(0, 10, 5, dtype=m.int64)
m.linspace(start=0, end=1, steps=3)
m.zeros_like(m.tensor([1, 2]))
m.ones_like(m.tensor([1, 2]), dtype=m.float32)
m.full_like(m.tensor([1, 2]), 3.7)
m.zeros_like(m.tensor([1.0, 2.0]), requires_grad=True)
m.tensor([1.0, 2.0]).new_zeros(2, 3)
m.tensor([1, 2]).new_ones((2,))
m.tensor([1.0, 2.0], dtype=m.float64).new_full((2,), 3)
m.tensor([1, 2]).new_tensor([1.5, 2])
m.as_tensor(np.array([1.0, 2.0]))
m.as_tensor(np.array([1.0, 2.0]), dtype=m.float32)
m.as_tensor(3.5)
m.from_numpy(np.array(3.0))
m.tensor(2).item()
m.tensor([[2.5]]).item()
m.tensor(0.1).item()
m.tensor([0.1]).tolist()
m.tensor([[True]]).tolist()
len(m.zeros(3, 2))
list(m.tensor([1, 2]))
bool(m.tensor(0.0)), bool(m.tensor([5]))
float(m.tensor([2.5])), int(m.tensor(-2.7)), int(m.tensor([[3]])), complex(m.tensor(2.0))
[10, 20, 30][m.tensor(1)]
list(range(m.tensor(3)))
f"{m.tensor(3.14159):.2f} {m.tensor(3):d} {m.tensor([1.0, 2.0])} {m.tensor(3.5)}"
"%d %.2f" % (m.tensor(3), m.tensor(3.14159))
m.tensor(2) in m.tensor([1, 2, 3]), 2 in m.tensor([1, 2, 3]), 5 in m.tensor([1, 2, 3])
m.tensor([1, 2]) == m.tensor([1, 3])
m.tensor([1, 2]) == 1
m.tensor([1, 2]) == None, m.tensor([1, 2]) != None, m.tensor([1, 2]) == "a", m.tensor([1, 2]) == [1, 2]
abs(m.tensor(-2)), -m.tensor([1, 2]), +m.tensor([1, 2]), ~m.tensor([True, False])
m.zeros(2, 3).shape == (2, 3), m.zeros(2, 3).shape[0], tuple(m.zeros(2, 3).shape), m.Size([2, 3]).numel()
m.zeros(2, 3).shape
m.zeros(2, 3).shape[1:]
m.zeros(2, 3).shape + (4,)
m.zeros(2, 3).size(), m.zeros(2, 3).size(-1), m.zeros(2, 3).size(dim=1)
m.zeros(2, 3).dim(), m.zeros(2, 3).ndim, m.zeros(2, 3).numel(), m.zeros(2, 3).nelement(), m.numel(m.zeros(2, 3))
m.zeros(2, 3).stride(), m.zeros(2, 3).T.stride(), m.zeros(2, 3).stride(0), m.zeros(2, 3).nbytes
m.zeros(2, 3).is_contiguous(), m.zeros(2, 3).T.is_contiguous(), m.zeros(2, 3).T.contiguous().is_contiguous()
m.is_tensor(m.zeros(1)), m.is_tensor(1), m.zeros(2).is_floating_point(), m.tensor([1]).is_floating_point()
m.long == m.int64, m.float == m.float32, m.double == m.float64, m.int == m.int32, m.short == m.int16
m.tensor([1.7, -1.7]).long(), m.tensor([1.7, -1.7]).int(), m.tensor([1, 0]).bool(), m.tensor([1, 2]).double()
m.tensor([1, 2]).to(m.float32), m.tensor([1, 2]).to("cpu"), m.tensor([1, 2]).to("cpu", m.float64)
m.tensor([1, 2]).to(m.tensor([1.0])), m.tensor([1, 2]).to(dtype=m.float32), m.tensor([1.0]).type_as(m.tensor([1]))
m.tensor([1.0, 2.0]).numpy().dtype.name, np.asarray(m.tensor([1, 2])).tolist()
m.tensor([[1, 2], [3, 4]]).T, m.tensor([[1, 2], [3, 4]]).mT
m.tensor([1.0]).requires_grad_().requires_grad, m.tensor([1.0]).is_leaf, m.tensor([1.0]).grad, m.tensor([1.0]).grad_fn
copy.copy(m.tensor([1.0, 2.0]))
copy.deepcopy(m.tensor([1.0, 2.0], requires_grad=True))
pickle.loads(pickle.dumps(m.tensor([1.0, 2.0], requires_grad=True)))
pickle.loads(pickle.dumps(m.tensor([[1, 2], [3, 4]]).T))
m.tensor([1, 2]) / 2, m.tensor([1, 2]) * 1.5, m.tensor([1, 2]) // 2, m.tensor([1, 2]) ** 2, 2 - m.tensor([1, 2])
sum(m.tensor([1, 2, 3])), max(m.tensor([1, 2, 3])), sorted(m.tensor([3, 1, 2])), any(m.tensor([False, True]))
""".strip().splitlines()


def plain(value):
    """A result as text and Python values, in the wording of this library."""
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return [plain(v) for v in value]
    return repr(value).replace("torch.", "")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_gives_what_pytorch_gives(expression):
    """Values, dtypes, shapes and flags, as their texts show them."""
    names = {"np": np, "copy": copy, "pickle": pickle}
    ours = eval(expression, {"m": tinygrad_edu, **names})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, that lists of arrays are slow and copies are clones
        theirs = eval(expression, {"m": torch, **names})
    assert plain(ours) == plain(theirs)


MISTAKES = """
m.tensor([[1, 2], [3]])
m.tensor("a")
m.tensor([1, 2], requires_grad=True)
m.zeros(-1)
m.zeros(2.5)
m.arange(5, 0)
m.arange(0, 5, 0)
m.linspace(0, 1, -1)
m.from_numpy([1.0])
len(m.tensor(3))
list(m.tensor(3))
bool(m.tensor([1, 2]))
bool(m.tensor([]))
m.tensor([1.0, 2.0]).item()
float(m.tensor([1.0, 2.0]))
[10, 20][m.tensor([1.0, 2.0])]
[10, 20][m.tensor(1.0)]
m.zeros(2, 3).size(5)
m.tensor([1.0], requires_grad=True).numpy()
np.asarray(m.tensor([1.0], requires_grad=True))
copy.deepcopy(m.tensor([1.0], requires_grad=True) * 2)
m.tensor([1, 2]) < None
""".strip().splitlines()


@pytest.mark.parametrize("expression", MISTAKES)
def test_mistake_raises_what_pytorch_raises(expression):
    """An exception that a script which catches PyTorch's catches too."""
    names = {"np": np, "copy": copy, "pickle": pickle}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(Exception) as theirs:
            eval(expression, {"m": torch, **names})
    with pytest.raises(theirs.type):
        eval(expression, {"m": tinygrad_edu, **names})


def test_a_tensor_takes_attributes():
    """They go with copies of a leaf and with its pickle, not with what is computed from it."""
    for m in (torch, tinygrad_edu):
        x = m.ones(2)
        x.g, x.tag = m.zeros(2), ["mine"]
        assert x.g.tolist() == [0.0, 0.0]
        assert pickle.loads(pickle.dumps(x)).tag == ["mine"]
        twin = copy.deepcopy(x)
        assert twin.tag == ["mine"]
        assert twin.tag is not x.tag
        assert twin.g is not x.g
        for other in (x * 2, x.detach(), x.clone(), x[0]):
            assert not hasattr(other, "tag")


def test_memory_is_shared_by_dlpack():
    """Both ways, also with NumPy, and a tensor of another library is called by its full name."""
    ours, theirs = tinygrad_edu.ones(2, 3), torch.ones(2, 3)
    torch.from_dlpack(ours)[0, 0] = 5
    tinygrad_edu.from_dlpack(theirs)[0, 0] = 5
    assert ours.tolist() == theirs.tolist() == np.from_dlpack(ours).tolist()
    with pytest.raises(RuntimeError, match="detach"):
        torch.from_dlpack(tinygrad_edu.ones(1, requires_grad=True))
    with pytest.raises(TypeError, match=r"torch\.Tensor is not a tensor; make one with tensor"):
        ours @ theirs[0]
