"""Tensor: making one, its numbers as Python's and NumPy's, names, copies, pickles, setters, and its text."""

from __future__ import annotations

import copy
import enum
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu
from tinygrad_edu import (
    DtypeError,
    ShapeError,
    Size,
    Tensor,
    as_tensor,
    autograd,
    float32,
    float64,
    from_numpy,
    get_default_dtype,
    int32,
    int64,
    ones,
    set_default_dtype,
    tensor,
    uint8,
    zeros,
)


def leaf(*numbers, name=None):
    return tensor(list(numbers), dtype=np.float64, requires_grad=True, name=name)


# --- making one


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (3, int64),
        (3.5, float32),
        (True, np.bool_),
        ([1, 2], int64),
        ([1, 2.5], float32),
        ([True, 2], int64),
        ([], float32),
        (range(3), int64),
        (np.float64(2.5), float64),
        (np.int32(2), int32),
        (np.array([1.0]), float64),
        (np.array([1.0], np.float32), float32),
        (np.array([1], np.uint8), uint8),
        ([np.array([1.0]), np.array([2.0])], float64),
        ([np.float32(1), np.float32(2)], float32),
        (tensor([1.0], dtype=np.float64), float64),
        ([tensor(1), tensor(2)], int64),
        ([tensor(1.0), 2.5], float32),
    ],
)
def test_dtype_follows_the_data(data, dtype):
    """float32 of Python floats, int64 of ints, an array's or NumPy number's own."""
    assert tensor(data).dtype == dtype


class Level(enum.IntEnum):
    LOW = 2


class Rate(float):
    pass


def test_numbers_of_own_classes_are_numbers():
    """An IntEnum's, say; they do not change the dtype either."""
    x = ones(2)
    assert (x * Level.LOW + Rate(0.5)).tolist() == [2.5, 2.5]
    assert (tensor([3]) ** Level.LOW).dtype == int64
    x += Level.LOW
    assert x.tolist() == [3.0, 3.0]


def test_dtype_can_be_said():
    """As NumPy's, PyTorch's or Python's; floats are cut, numbers become truth values."""
    assert tensor([1.7, -2.7], dtype=int64).tolist() == [1, -2]
    assert tensor([1.7, 0], dtype=bool).tolist() == [True, False]
    assert tensor([1, 2], dtype=float).dtype == float64
    assert tensor([1, 2], dtype=np.float64).dtype == tensor([1, 2], dtype="float64").dtype == float64


def test_default_dtype_can_be_changed():
    """For Python floats and for constructors; float32 or float64 only."""
    assert get_default_dtype() == float32
    set_default_dtype(float64)
    try:
        assert tensor([1.0]).dtype == zeros(1).dtype == tinygrad_edu.rand(1).dtype == float64
        assert repr(tensor([1.0])) == "tensor([1.])"
        assert repr(tensor([1.0], dtype=float32)) == "tensor([1.], dtype=float32)"
    finally:
        set_default_dtype(float32)
    with pytest.raises(TypeError, match="int64 is not a floating dtype"):
        set_default_dtype(int64)


def test_tensor_copies_and_the_others_share():
    """tensor(a) is on its own; as_tensor and from_numpy see later writes; as_tensor(t) is t."""
    a = np.zeros(2)
    copied, viewed, shared = tensor(a), as_tensor(a), from_numpy(a)
    a[0] = 1.0
    assert copied.tolist() == [0.0, 0.0]
    assert viewed.tolist() == shared.tolist() == [1.0, 0.0]
    assert as_tensor(copied) is copied
    assert as_tensor(copied, dtype=float32).dtype == float32
    assert as_tensor([1, 2]).dtype == int64


def test_a_list_of_tensors_ends_the_graph_with_a_warning():
    """tensor([a, b]) copies numbers, as PyTorch's does; it says so at the user's line, and what to write."""
    rows = [leaf(1.0, 2.0), leaf(3.0, 4.0)]
    with pytest.warns(UserWarning, match=r"no gradient passes\. Use stack\(\[\.\.\.\]\)") as caught:
        t = tensor(rows)
    assert caught[0].filename == __file__
    assert t.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert t.is_leaf
    assert not t.requires_grad
    assert tensor([rows[0].detach()[0], 3.0]).tolist() == [1, 3]


REFUSALS = {
    "ragged": (lambda: tensor([[1, 2], [3]]), ShapeError, "nested lists must have equal lengths"),
    "text": (lambda: tensor(["a"]), DtypeError, "real numbers are expected"),
    "complex": (lambda: tensor(1j), DtypeError, "complex"),
    "nothing": (lambda: tensor(None), DtypeError, "real numbers are expected"),
    "float16": (lambda: tensor(np.zeros(2, np.float16)), DtypeError, "float16 is not supported"),
    "a list from_numpy": (lambda: from_numpy([1.0]), TypeError, "expected an ndarray, got list"),
    "integers that require grad": (lambda: tensor([1, 2], requires_grad=True), RuntimeError, "only floating tensors"),
    "another device": (lambda: zeros(2, device="cuda"), RuntimeError, "no device 'cuda'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_a_tensor_is_refused(case):
    """Each with a sentence of its own."""
    call, error, text = REFUSALS[case]
    with pytest.raises(error, match=text):
        call()


# --- what it is


def test_shape_is_a_tuple():
    """Equal to tuples, hashable, sliced and added to as a shape."""
    shape = zeros(2, 3, 4).shape
    assert shape == (2, 3, 4)
    assert isinstance(shape, tuple)
    assert (shape[0], shape[-1]) == (2, 4)
    assert repr(shape[1:]) == "Size([3, 4])"
    assert repr(shape[:1] + shape[2:]) == "Size([2, 4])"
    assert shape.numel() == 24
    assert {shape: 1}[(2, 3, 4)] == 1
    assert Size([2, 3]) == (2, 3)
    n, *rest = shape
    assert (n, rest) == (2, [3, 4])


def test_size_dim_numel_and_strides():
    """PyTorch's words for what NumPy says otherwise."""
    t = zeros(2, 3, dtype=float64)
    assert t.size() == t.shape
    assert (t.size(0), t.size(-1), t.size(dim=1)) == (2, 3, 3)
    assert t.dim() == t.ndim == t.ndimension() == 2
    assert t.numel() == t.nelement() == tinygrad_edu.numel(t) == 6
    assert (t.stride(), t.T.stride(), t.stride(0)) == ((3, 1), (1, 3), 3)
    assert (t.element_size(), t.nbytes) == (8, 48)
    assert t.is_contiguous()
    assert not t.T.is_contiguous()
    assert t.T.contiguous().is_contiguous()
    assert t.contiguous() is t
    with pytest.raises(IndexError):
        t.size(5)


def test_leaves_and_results():
    """is_leaf, requires_grad, grad_fn."""
    x, c = leaf(1.0), tensor([1.0])
    y = x * 2
    assert (x.is_leaf, x.requires_grad, x.grad_fn) == (True, True, None)
    assert (c.is_leaf, c.requires_grad, c.grad_fn) == (True, False, None)
    assert (y.is_leaf, y.requires_grad) == (False, True)
    assert (y.detach().is_leaf, y.detach().requires_grad) == (True, False)
    assert repr(y.grad_fn) == "<MulBackward0>"


# --- as Python's and NumPy's


def test_one_element_is_a_number():
    """item, float, int, bool, index and format, of any shape with one element."""
    assert tensor(2.5).item() == 2.5
    assert isinstance(tensor(2).item(), int)
    assert isinstance(tensor([[True]]).item(), bool)
    assert float(tensor([2.5])) == 2.5
    assert int(tensor(-2.7)) == -2
    assert complex(tensor(2.0)) == 2
    assert [10, 20, 30][tensor(1)] == 20
    assert list(range(tensor(3))) == [0, 1, 2]
    assert (bool(tensor(0.0)), bool(tensor([5]))) == (False, True)
    assert f"{tensor(3.14159):.2f} {tensor(3):d} {tensor([1.0])}" == "3.14 3 tensor([1.])"
    assert round(tensor(2.567).item(), 1) == 2.6


@pytest.mark.parametrize("convert", [float, int, bool, lambda t: t.item()])
@pytest.mark.parametrize("t", [tensor([1.0, 2.0]), zeros(0)])
def test_several_elements_are_no_number(convert, t):
    """RuntimeError, with the shape."""
    with pytest.raises(RuntimeError, match=r"shape \((2|0),\)"):
        convert(t)


def test_index_must_be_an_integer():
    """A float tensor picks nothing from a list."""
    with pytest.raises(TypeError, match="float32 tensor of shape \\(\\) is not an index"):
        [10, 20][tensor(1.0)]


def test_length_iteration_membership():
    """Over the first axis; the parts are views; a 0-d tensor has none."""
    t = tensor([[1, 2], [3, 4]])
    assert len(t) == 2
    assert [row.tolist() for row in t] == [[1, 2], [3, 4]]
    for row in t:
        row += 10
    assert t.tolist() == [[11, 12], [13, 14]]
    assert 12 in t
    assert 5 not in t
    _, second = t
    assert second.tolist() == [13, 14]
    for use in (len, list, iter):
        with pytest.raises(TypeError, match="0-d tensor"):
            use(tensor(3))


def test_iteration_is_differentiable():
    """Each row is a value of the graph."""
    x = leaf(1.0, 2.0, 3.0)
    a, b, c = x
    (a * b * c).backward()
    assert_array_equal(x.grad, [6, 3, 2])


def test_equality_is_elementwise_and_hash_by_identity():
    """So tensors are keys of dicts; what is no number at all is simply unequal."""
    a, b = tensor([1, 2]), tensor([1, 3])
    assert (a == b).tolist() == [True, False]
    assert (a != 1).tolist() == [False, True]
    assert {a: "a", b: "b"}[a] == "a"
    assert (a == None) is False  # noqa: E711  # the comparison itself is tested
    assert (a != None) is True  # noqa: E711  # as above
    assert (a == "text") is False
    assert a not in [None, "text"]


def test_numpy_reads_a_tensor():
    """numpy(), asarray, array with a dtype, tolist."""
    t = tensor([1.0, 2.0])
    assert np.shares_memory(t.numpy(), np.asarray(t))
    assert np.array(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.numpy())
    assert tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert tensor(3).tolist() == 3
    x = leaf(1.0)
    for read in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(RuntimeError, match=r"Use tensor\.detach\(\)\.numpy\(\)"):
            read()
    assert x.numpy(force=True).tolist() == [1.0]


# --- names


def test_name_is_given_kept_and_changed():
    """At birth or later; requires_grad_ and no_grad writes keep it; a result has none."""
    w = ones(2, name="W")
    assert w.name == "W"
    w.requires_grad_()
    assert w.name == "W"
    assert (w * 2).name is None
    assert tensor([1.0]).name is None
    y = w * 2
    y.name = "Z1"
    assert y.name == "Z1"
    y.name = None
    assert y.name is None
    assert zeros(2, name="b").name == Tensor([1.0], name="b").name == "b"


def test_name_shows_in_messages():
    """A wrong product names its factors."""
    W, X = ones(3, 2, name="W"), ones(4, 5, name="X")
    with pytest.raises(ShapeError, match=r"W +\(3, 2\)[^X]*X +\(4, 5\)"):
        W @ X


# --- copies


def test_deepcopy_of_a_leaf():
    """Own memory; requires_grad, name and gradient go along; results are refused."""
    w = leaf(1.0, 2.0, name="W")
    (w * w).sum().backward()
    c = copy.deepcopy(w)
    w.detach().zero_()
    w.grad.zero_()
    assert (c.requires_grad, c.is_leaf, c.name) == (True, True, "W")
    assert c.tolist() == [1.0, 2.0]
    assert c.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match=r"the result of mul.*\.detach\(\)\.clone\(\)"):
        copy.deepcopy(w * 2)


def test_deepcopy_keeps_what_is_shared_shared():
    """Two names for one tensor are two names for its copy."""
    w = leaf(1.0)
    a, b = copy.deepcopy([w, w])
    assert a is b
    assert a is not w


def test_copy_shares_memory():
    """copy.copy is another tensor on the same numbers."""
    t = tensor([1.0, 2.0])
    c = copy.copy(t)
    c += 1
    assert t.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_a_leaf(protocol):
    """Numbers, dtype, shape, requires_grad and name; strides are straightened; results are refused."""
    for t in (leaf(1.0, 2.0, name="W"), tensor([[1, 2], [3, 4]]).T, tensor(True), zeros(0, 3)):
        back = pickle.loads(pickle.dumps(t, protocol))
        assert back.tolist() == t.tolist()
        assert (back.dtype, back.shape, back.requires_grad, back.name) == (t.dtype, t.shape, t.requires_grad, t.name)
    with pytest.raises(RuntimeError, match=r"only leaves .*detach"):
        pickle.dumps(leaf(1.0) * 2)


def test_view_is_pickled_alone():
    """A row does not take its matrix along."""
    t = zeros(1000, 1000)
    assert len(pickle.dumps(t[0])) < 10_000


# --- setters


def test_requires_grad_can_be_set_on_leaves():
    """By attribute or method; on a result only True, which it is; on integers never."""
    t = tensor([1.0])
    t.requires_grad = True
    assert t.requires_grad
    assert t.requires_grad_(False) is t
    assert not t.requires_grad
    y = leaf(1.0) * 2
    assert y.requires_grad_() is y
    with pytest.raises(RuntimeError, match=r"on leaves only; this is the result of mul"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match=r"this one is int64; make it with dtype=float32"):
        tensor([1]).requires_grad_()


def test_grad_can_be_set():
    """None or a tensor of the same shape and dtype; backward adds into it."""
    x = leaf(1.0, 2.0)
    given = ones(2, dtype=float64)
    x.grad = given
    assert x.grad is given
    x.sum().backward()
    assert x.grad is given
    assert given.tolist() == [2.0, 2.0]
    x.grad = None
    assert x.grad is None
    with pytest.raises(TypeError, match="Tensor or None, not ndarray"):
        x.grad = np.ones(2)
    with pytest.raises(ShapeError, match=r"shape \(3,\) is assigned to a tensor of shape \(2,\)"):
        x.grad = ones(3, dtype=float64)
    with pytest.raises(DtypeError, match="float32 is assigned to a tensor of float64"):
        x.grad = ones(2)


def test_data_can_be_replaced():
    """Of a leaf by any shape, as PyTorch; of a result by its own; of what requires grad by floats."""
    w = leaf(1.0, 2.0)
    w.data = tensor([3.0, 4.0, 5.0], dtype=float64)
    assert w.requires_grad
    (w * w).sum().backward()
    assert w.grad.tolist() == [6.0, 8.0, 10.0]
    with pytest.raises(DtypeError, match="is floating; int64 can't take its place"):
        w.data = tensor([1, 2])
    with pytest.raises(TypeError, match="must be a Tensor, not list"):
        w.data = [1.0]
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(ShapeError, match=r"shape \(3,\) for a computed tensor of shape \(2,\)"):
        y.data = ones(3, dtype=float64)


def test_data_is_the_same_memory_outside_of_the_graph():
    """Reading it gives a constant that shares."""
    w = leaf(1.0, 2.0)
    assert not w.data.requires_grad
    w.data[0] = 9.0
    assert w.tolist() == [9.0, 2.0]


def test_gradient_of_a_view_made_a_leaf_stays_its_own():
    """A slice of a constant may be a leaf itself."""
    t = zeros(2, 2, dtype=float64)
    row = t[0].requires_grad_()
    (row * 3).sum().backward()
    assert row.is_leaf
    assert row.grad.tolist() == [3.0, 3.0]
    assert not t.requires_grad


# --- the text


TEXTS = {
    "tensor(3)": tensor(3),
    "tensor(2.5000)": tensor(2.5),
    "tensor(True)": tensor(True),
    "tensor([1, 2])": tensor([1, 2]),
    "tensor([1., 2.])": tensor([1.0, 2.0]),
    "tensor([ 1.0000, -0.2500])": tensor([1.0, -0.25]),
    "tensor([ True, False])": tensor([True, False]),
    "tensor([1.0000e-05, 1.0000e+00])": tensor([1e-5, 1.0]),
    "tensor([nan, inf, 1.])": tensor([float("nan"), float("inf"), 1.0]),
    "tensor([])": tensor([]),
    "tensor([], size=(0, 3))": zeros(0, 3),
    "tensor([], dtype=int64)": zeros(0, dtype=int64),
    "tensor([1., 2.], dtype=float64)": tensor([1.0, 2.0], dtype=float64),
    "tensor([1], dtype=uint8)": tensor([1], dtype=uint8),
    "tensor([1., 2.], requires_grad=True)": tensor([1.0, 2.0], requires_grad=True),
    "tensor([2., 4.], grad_fn=<MulBackward0>)": tensor([1.0, 2.0], requires_grad=True) * 2,
    "tensor([[1, 2],\n        [3, 4]])": tensor([[1, 2], [3, 4]]),
    "tensor([[[1.]],\n\n        [[2.]]])": tensor([[[1.0]], [[2.0]]]),
    "tensor([0., 0., 0.,  ..., 0., 0., 0.])": zeros(1001),
    "tensor([1., 1.], dtype=float64, requires_grad=True)": ones(2, dtype=float64, requires_grad=True),
}


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_pytorchs(text):
    """Four digits, one notation for all, columns aligned, and what differs from the defaults behind."""
    assert repr(TEXTS[text]) == str(TEXTS[text]) == text


def test_text_of_a_gradient_needs_no_graph():
    """Printing changes nothing and keeps nothing."""
    x = leaf(1.0, 2.0)
    y = x * 2
    repr(y)
    assert autograd.grad(y.sum(), x)[0].tolist() == [2.0, 2.0]
