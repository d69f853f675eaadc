"""Bad input to operations: the class, the text, and that nothing was changed on the way to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as tg
from tinygrad_edu import DtypeError, ShapeError, Tensor, tensor
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops import linalg


class Tensors:
    """What the calls below are made on; each test has its own."""

    def __init__(self) -> None:
        self.W = tensor(np.ones((3, 2), np.float32), name="W")
        self.X = tensor(np.ones((4, 5), np.float32), requires_grad=True, name="X")
        self.v = tensor([1.0, 2.0, 3.0], name="v")
        self.double = tg.ones(2, 2, dtype=tg.float64, name="D")
        self.count = tensor([1, 2], name="count")
        self.mask = tensor([True, False], name="mask")
        self.one = tensor(1.0, name="one")
        self.scores = tg.zeros(3, 4, requires_grad=True, name="scores")
        self.p = tensor([0.5, 1.5], name="p")
        self.y = tensor([0.0, 1.0], name="y")
        self.none = tg.zeros(0, 3, name="none")

    def all(self) -> list[Tensor]:
        return list(vars(self).values())


class Bad(NamedTuple):
    name: str
    call: Callable[[Tensors], Any]
    error: type[Exception]
    text: str  # all of it, but for the lines of `describe`; `...` for what is left out

    def __str__(self) -> str:
        return self.name


NO_HALF = "use one of float32, float64, int8, int16, int32, int64, uint8, bool. Half precision (float16, bfloat16) and"
LABELS = "Target out of bounds: labels must lie in 0..3 (or be ignore_index), found"
OUT_OF_RANGE = "Dimension out of range (expected to be in range of"

BAD = [
    # shapes
    Bad("add", lambda t: t.W + t.X, ShapeError, "add: shapes (3, 2) and (4, 5) do not broadcast: axis -1 has lengths "
        "2 and 5, equal or 1 is needed."),
    Bad("maximum", lambda t: tg.maximum(t.v, t.count), ShapeError, "maximum: shapes (3,) and (2,) do not broadcast..."),
    Bad("where", lambda t: tg.where(t.mask, t.v, 0), ShapeError, "where: shapes (2,) and (3,) do not broadcast..."),
    Bad("matmul", lambda t: t.W @ t.X, ShapeError, "matmul: W has 2 columns, X has 4 rows; they must be equal..."),
    Bad("matmul-transpose", lambda t: t.W.T @ t.X, ShapeError, "matmul: W.T has 3 columns, X has 4 rows..."),
    Bad("matmul-stack", lambda t: tg.zeros(5, 2, 3) @ t.X, ShapeError, "matmul: A has 3 columns, X has 4 rows..."),
    Bad("matrix-vector", lambda t: t.W @ t.v, ShapeError, "matmul: W has 2 columns, v has 3 elements; they must..."),
    Bad("vector-matrix", lambda t: t.v @ t.X, ShapeError, "matmul: v has 3 elements, X has 4 rows; they must..."),
    Bad("matmul-0-d", lambda t: t.one @ t.W, RuntimeError,
        "matmul: both arguments need at least 1 axis; multiply by..."),
    Bad("integer-quotient", lambda t: t.count // (t.count - 1), RuntimeError, "floor_divide: ZeroDivisionError: an "
        "integer is divided by 0 at index 0."),
    Bad("dot", lambda t: tg.dot(t.v, t.y), ShapeError,
        "dot: two vectors of one length are expected, got shapes (3,)..."),
    Bad("mm", lambda t: tg.mm(t.v, t.W), ShapeError, "mm: two matrices are expected, got shapes (3,) and (3, 2)."),
    Bad("linear", lambda t: linalg.affine(t.X, t.W), ShapeError, "linear: input (4, 5), weight (3, 2) and bias None "
        "do not fit: ...Samples are rows here: input (m, n_in), weight (n_out, n_in)."),
    Bad("reshape", lambda t: t.W.reshape(4, 2), ShapeError, "reshape: shape (4, 2) is invalid for input of size 6, "
        "whose shape is (3, 2)."),
    Bad("reshape-two-unknown", lambda t: t.W.reshape(-1, -1), ShapeError,
        "reshape: only one dimension can be inferred..."),
    Bad("reshape-fraction", lambda t: t.W.reshape(2.5, -1), TypeError,
        "reshape: a shape is made of integers, got (2.5..."),
    Bad("view", lambda t: t.W.T.view(6), RuntimeError, "view: the memory of shape (2, 3) is not laid out for (6,); use "
        ".reshape(...), which copies, or .contiguous().view(...)."),
    Bad("expand", lambda t: t.W.expand(4, 2), ShapeError, "expand: shape (3, 2) can't be stretched to (4, 2): only..."),
    Bad("cat", lambda t: tg.cat([t.W, t.X]), ShapeError, "cat: shapes (3, 2), (4, 5) must agree but for axis 0."),
    Bad("cat-of-nothing", lambda t: tg.cat([]), RuntimeError, "cat: expected a non-empty list of tensors."),
    Bad("cat-0-d", lambda t: tg.cat([t.one]), RuntimeError,
        "cat: zero-dimensional tensors cannot be concatenated; ..."),
    Bad("cat-a-tensor", lambda t: tg.cat(t.W, t.W), TypeError, "cat: a list or tuple of tensors is expected, as in..."),
    Bad("cat-a-number", lambda t: tg.cat([t.v, 1.0]), TypeError,
        "cat: float is not a tensor; make one with tensor(...)."),
    Bad("stack", lambda t: tg.stack([t.W, t.X]), ShapeError,
        "stack: expects each tensor to be equal size, got shapes..."),
    Bad("transpose-of-a-vector", lambda t: t.v.mT, ShapeError, "mT: needs at least 2 axes, got shape (3,)."),
    Bad("t", lambda t: tg.zeros(2, 3, 4).t(), RuntimeError, "t: expects at most 2 axes, got shape (2, 3, 4); use .mT."),
    Bad("permute", lambda t: t.W.permute(0, 0), RuntimeError,
        "permute: dims (0, 0) must name each of the 2 axes once."),
    Bad("mse", lambda t: F.mse_loss(t.v, t.y), ShapeError, "mse_loss: shapes (3,) and (2,) do not broadcast..."),
    Bad("bce-shape", lambda t: F.binary_cross_entropy(t.p, t.v), ShapeError, "binary_cross_entropy: Using a target "
        "size ((3,)) that is different to the input size ((2,)) is refused..."),
    Bad("bce-logits-shape", lambda t: F.binary_cross_entropy_with_logits(t.p, t.v), ShapeError,
        "binary_cross_entropy_with_logits: Using a target size ((3,)) that is different to the input size ((2,))..."),
    Bad("ce-shape", lambda t: F.cross_entropy(t.scores, t.count), ShapeError, "cross_entropy: Expected input "
        "batch_size to match target batch_size: input (3, 4) calls for labels of shape (3,), got (2,)."),
    Bad("ce-weight", lambda t: F.cross_entropy(t.scores, tensor([0, 1, 2]), weight=t.v), ShapeError,
        "cross_entropy: weight has shape (3,); one number for each of the 4 classes is needed."),
    Bad("nll-weight", lambda t: F.nll_loss(t.scores, tensor([0, 1, 2]), weight=t.v), ShapeError,
        "nll_loss: weight..."),
    Bad("ce-0-d", lambda t: F.cross_entropy(t.one, tensor(0)), ShapeError,
        "cross_entropy: input needs a class axis..."),
    Bad("setitem", lambda t: t.W.__setitem__(0, t.v), ShapeError, "setitem: shape mismatch: a value of shape (3,) "
        "cannot be broadcast to the indexed part, (2,)."),
    Bad("augmented", lambda t: t.y.__iadd__(t.W), ShapeError,
        "+=: output with shape (2,) doesn't match the broadcast..."),
    # dtypes
    Bad("matmul-types", lambda t: t.W @ t.double, DtypeError, "matmul: the operands are float32 and float64; they must "
        "have one dtype. Convert with .float() or .double(); np.array makes float64 unless told dtype=np.float32."),
    Bad("matmul-integers", lambda t: t.W @ t.count, DtypeError, "matmul: the operands are float32 and int64; they..."),
    Bad("integer-gradient", lambda t: tensor([1, 2], requires_grad=True), DtypeError, "requires_grad: only floating "
        "tensors have gradients, this one is int64; make it with dtype=float32 or convert with .float() first."),
    Bad("boolean-gradient", lambda t: t.mask.requires_grad_(), DtypeError,
        "requires_grad: only floating tensors have..."),
    Bad("float16", lambda t: tensor([1.0], dtype=np.float16), DtypeError, f"float16 is not supported; {NO_HALF}..."),
    Bad("float16-array", lambda t: tensor(np.zeros(2, np.float16)), DtypeError, "float16 is not supported; ..."),
    Bad("float16-operand", lambda t: t.v * np.zeros(3, np.float16), DtypeError, "float16 is not supported; ..."),
    Bad("half", lambda t: t.W.half(), DtypeError, "float16 is not supported; ..."),
    Bad("bfloat16", lambda t: tensor([1.0], dtype="bfloat16"), DtypeError,
        f"'bfloat16' is not a dtype here; {NO_HALF}..."),
    Bad("complex-dtype", lambda t: t.W.to(complex), DtypeError, "complex128 is not supported; ..."),
    Bad("complex", lambda t: tensor(1 + 2j), DtypeError,
        "tensor: real numbers are expected, got complex128 from complex..."),
    Bad("complex-as-float", lambda t: tensor([1j], dtype=tg.float32), DtypeError,
        "tensor: real numbers are expected..."),
    Bad("complex-array", lambda t: tg.from_numpy(np.zeros(2, complex)), DtypeError, "complex128 is not supported; ..."),
    Bad("unsigned", lambda t: tensor(np.zeros(2, np.uint32)), DtypeError, "uint32 is not supported; ..."),
    Bad("text", lambda t: tensor("one"), DtypeError, "tensor: real numbers are expected, got <U3 from str..."),
    Bad("text-as-float", lambda t: tensor(["a"], dtype=tg.float32), DtypeError, "tensor: real numbers are expected..."),
    Bad("none", lambda t: tensor(None), DtypeError, "tensor: real numbers are expected, got object from NoneType..."),
    Bad("ragged", lambda t: tensor([[1, 2], [3]]), ShapeError,
        "tensor: nested lists must have equal lengths at every..."),
    Bad("mean-of-integers", lambda t: t.count.mean(), DtypeError, "mean: floating numbers are needed, not int64; "
        "convert with .float() first."),
    Bad("softmax-of-integers", lambda t: t.count.softmax(0), DtypeError, "softmax: floating numbers are needed..."),
    Bad("var-of-integers", lambda t: t.count.var(), DtypeError, "var: floating numbers are needed, not int64; ..."),
    Bad("ce-of-integers", lambda t: F.cross_entropy(tg.zeros(3, 4, dtype=tg.int64), tensor([0, 1, 2])), DtypeError,
        "cross_entropy: input must be floating, not int64; convert with .float()."),
    Bad("ce-float-labels", lambda t: F.cross_entropy(t.scores, t.v), ShapeError, "cross_entropy: a float32 target "
        "holds probabilities, so it must have input's shape (3, 4), not (3,); labels are int64: convert with .long()."),
    Bad("nll-float-labels", lambda t: F.nll_loss(t.scores, t.v), DtypeError, "nll_loss: labels must be int64, not "
        "float32; convert with .long()."),
    Bad("minus-booleans", lambda t: t.mask - t.mask, DtypeError,
        "sub: Subtraction, the `-` operator, with a bool tensor "
        "is not supported; ..."),
    Bad("negative-boolean", lambda t: -t.mask, DtypeError,
        "neg: not of booleans; convert with .long() or .float() first."),
    Bad("bits-of-floats", lambda t: t.v & t.v, DtypeError, "bitwise_and: not of float32, float32."),
    Bad("bits-of-a-float", lambda t: t.count | 1.5, DtypeError,
        "bitwise_or: of integers and booleans only, not float32..."),
    Bad("inverse-of-floats", lambda t: ~t.v, DtypeError, "bitwise_not: not of float32."),
    Bad("too-large", lambda t: tensor([1], dtype=tg.uint8).fill_(300), RuntimeError,
        "value 300 cannot be converted to type uint8 without overflow."),
    Bad("augmented-type", lambda t: t.count.__iadd__(0.5), DtypeError, "+=: result type float32 can't be cast to the "
        "desired output type int64."),
    Bad("where-condition", lambda t: tg.where(t.v, t.v, 0), DtypeError, "where: expected condition to be a boolean "
        "tensor, but got a tensor with dtype float32; write a comparison, such as x != 0."),
    Bad("index-type", lambda t: t.W[t.v], IndexError, "index: tensors used as indices must be long, int or bool, not "
        "float32; convert with .long()."),
    Bad("take_along_dim-type", lambda t: t.W.take_along_dim(t.W, 1), DtypeError, "take_along_dim: indices must be..."),
    Bad("default-dtype", lambda t: tg.set_default_dtype(tg.int64), TypeError,
        "set_default_dtype: int64 is not a floating..."),
    # what is no tensor
    Bad("plus-text", lambda t: t.W + "a", TypeError, "add: str is not a tensor; make one with tensor(...)."),
    Bad("times-list", lambda t: t.v * [1, 2, 3], TypeError, "mul: list is not a tensor; make one with tensor(...)."),
    Bad("minus-none", lambda t: None - t.v, TypeError, "sub: NoneType is not a tensor; make one with tensor(...)."),
    # values
    Bad("labels-too-large", lambda t: F.cross_entropy(t.scores, tensor([0, 4, 1])), IndexError,
        f"cross_entropy: {LABELS} 4 at index 1."),
    Bad("labels-negative", lambda t: F.cross_entropy(t.scores, tensor([0, 1, -1])), IndexError,
        f"cross_entropy: {LABELS} -1 at index 2."),
    Bad("labels-of-nll", lambda t: F.nll_loss(t.scores, tensor([0, 9, 1])), IndexError, f"nll_loss: {LABELS} 9..."),
    Bad("labels-of-pixels", lambda t: F.cross_entropy(tg.zeros(2, 4, 3), tensor([[0, 1, 2], [0, 7, 1]])), IndexError,
        f"...{LABELS} 7 at index (1, 1)."),
    Bad("probabilities-above-1", lambda t: F.binary_cross_entropy(t.p, t.y), RuntimeError,
        "binary_cross_entropy: all "
        "elements of input should be between 0 and 1; apply sigmoid, or use binary_cross_entropy_with_logits on..."),
    Bad("probabilities-below-0", lambda t: F.binary_cross_entropy(-t.p, t.y), RuntimeError,
        "binary_cross_entropy: ..."),
    Bad("reduction", lambda t: F.mse_loss(t.v, t.v, reduction="means"), ValueError, "mse_loss: means is not a valid "
        "value for reduction: 'mean', 'sum' or 'none'. Did you mean 'mean'?"),
    Bad("reduction-far-off", lambda t: F.cross_entropy(t.scores, tensor([0, 1, 2]), reduction="average"), ValueError,
        "cross_entropy: average is not a valid value for reduction: 'mean', 'sum' or 'none'."),
    Bad("reduction-of-nll", lambda t: F.nll_loss(t.scores, tensor([0, 1, 2]), reduction=None), ValueError,
        "nll_loss: ..."),
    Bad("reduction-of-bce", lambda t: F.binary_cross_entropy(t.y, t.y, reduction="none "), ValueError,
        "binary_cross_entropy: none  is not a valid value for reduction: ...Did you mean 'none'?"),
    Bad("smoothing", lambda t: F.cross_entropy(t.scores, tensor([0, 1, 2]), label_smoothing=2.0), RuntimeError,
        "cross_entropy: label_smoothing must lie between 0 and 1, got 2.0."),
    Bad("rounding", lambda t: tg.div(t.v, 2, rounding_mode="up"), RuntimeError,
        "div: rounding_mode is None, 'trunc' or..."),
    Bad("clamp", lambda t: t.v.clamp(), RuntimeError, "clamp: at least one of min and max is needed."),
    Bad("integer-power", lambda t: t.count**-1, RuntimeError,
        "pow: integers to negative integer powers are not allowed..."),
    Bad("softmax-dim", lambda t: t.v.softmax(), TypeError,
        "softmax: say along which axis the classes lie: dim=1 for..."),
    # sizes
    Bad("negative-size", lambda t: tg.zeros(2, -1), RuntimeError, "zeros: negative dimension in shape (2, -1)."),
    Bad("negative-rand", lambda t: tg.rand((-1,)), RuntimeError, "rand: negative dimension in shape (-1,)."),
    Bad("negative-full", lambda t: tg.full((-1,), 0.0), RuntimeError, "full: negative dimension in shape (-1,)."),
    Bad("negative-eye", lambda t: tg.eye(-1), RuntimeError, "eye: negative dimension in shape (-1, -1)."),
    Bad("fractional-size", lambda t: tg.zeros(2.5), TypeError, "zeros: a shape is made of integers, got (2.5,)."),
    Bad("negative-randperm", lambda t: tg.randperm(-1), RuntimeError, "randperm: n must be non-negative, got -1."),
    Bad("empty-randint", lambda t: tg.randint(5, 5, (2,)), RuntimeError, "randint: ...got 5 >= 5."),
    Bad("negative-linspace", lambda t: tg.linspace(0, 1, -1), RuntimeError,
        "linspace: number of steps must be non-..."),
    Bad("arange-away", lambda t: tg.arange(0, 5, -1), RuntimeError, "arange: from 0 to 5 by -1 leads nowhere..."),
    Bad("arange-nowhere", lambda t: tg.arange(0, 5, 0), RuntimeError, "arange: from 0 to 5 by 0 leads nowhere..."),
    Bad("negative-expand", lambda t: t.W.expand(-1, 3, 2), RuntimeError,
        "expand: negative dimension in shape (-1, 3, 2)."),
    # axes
    Bad("sum-dim", lambda t: t.W.sum(2), IndexError,
        f"sum: {OUT_OF_RANGE} [-2, 1], but got 2); the tensor has 2 axes."),
    Bad("mean-dim", lambda t: t.W.mean((0, -3)), IndexError, f"mean: {OUT_OF_RANGE} [-2, 1], but got -3)..."),
    Bad("max-dim", lambda t: t.W.max(dim=3), IndexError, f"max: {OUT_OF_RANGE} [-2, 1], but got 3)..."),
    Bad("transpose-dim", lambda t: t.W.transpose(0, 2), IndexError,
        f"transpose: {OUT_OF_RANGE} [-2, 1], but got 2)..."),
    Bad("cat-dim", lambda t: tg.cat([t.W, t.W], 2), IndexError, f"cat: {OUT_OF_RANGE} [-2, 1], but got 2)..."),
    Bad("softmax-axis", lambda t: t.v.softmax(1), IndexError, f"softmax: {OUT_OF_RANGE} [-1, 0], but got 1)..."),
    Bad("unsqueeze-dim", lambda t: t.W.unsqueeze(4), IndexError, f"unsqueeze: {OUT_OF_RANGE} [-3, 2], but got 4)..."),
    Bad("sum-twice", lambda t: t.W.sum((0, -2)), RuntimeError, "sum: dim (0, -2) names an axis twice."),
    Bad("sum-fraction", lambda t: t.W.sum(0.5), TypeError, "sum: dim must be an integer, not float."),
    Bad("max-of-nothing", lambda t: t.none.max(), RuntimeError,
        "max: an axis of length 0 has no max: shape (0, 3), over..."),
    Bad("amax-of-nothing", lambda t: t.none.amax(0), IndexError, "amax: an axis of length 0 has no amax..."),
    Bad("argmax-of-nothing", lambda t: t.none.argmax(0), IndexError, "argmax: an axis of length 0 has no argmax..."),
    # indices
    Bad("index", lambda t: t.W[5], IndexError, "getitem: index 5 is out of bounds for axis 0 with size 3"),
    Bad("index-negative", lambda t: t.W[0, -3], IndexError,
        "getitem: index -3 is out of bounds for axis 1 with size 2"),
    Bad("index-array", lambda t: t.W[tensor([0, 7])], IndexError,
        "getitem: index 7 is out of bounds for axis 0 with size 3"),
    Bad("indices-too-many", lambda t: t.W[0, 0, 0], IndexError,
        "index: too many indices (3) for a tensor of shape (3, 2)."),
    Bad("indices-apart", lambda t: t.W[[0, 1], [0, 1, 1]], IndexError, "getitem: shape mismatch: indexing arrays could "
        "not be broadcast together with shapes (2,) (3,) "),
    Bad("index-mask", lambda t: t.W[t.mask], IndexError, "index: the mask has shape (2,), the axes that it picks from "
        "(3,), of a tensor of shape (3, 2); they must be equal."),
    Bad("index-step", lambda t: t.W[::-1], ValueError,
        "index: a slice's step must be greater than zero, as in PyTorch; ..."),
    Bad("index-text", lambda t: t.W["a"], IndexError, "index: tensors used as indices must be long, int or bool..."),
    Bad("setitem-index", lambda t: t.W.__setitem__(7, 0.0), IndexError,
        "setitem: index 7 is out of bounds for axis 0..."),
    Bad("take_along_dim", lambda t: t.W.take_along_dim(tensor([[5]]), 1), IndexError,
        "take_along_dim: index 5 is out..."),
    Bad("take_along_dim-axes", lambda t: t.W.take_along_dim(tensor([5]), 1), RuntimeError,
        "take_along_dim: input (3, 2) "
        "and indices (1,) must have the same number of axes."),
    # one number where there is none
    Bad("item", lambda t: t.W.item(), RuntimeError,
        "item: only a tensor with one element is a Python number, this one..."),
    Bad("bool", lambda t: bool(t.W), RuntimeError,
        "bool: a tensor of shape (3, 2) is neither true nor false; use .any()..."),
    Bad("len", lambda t: len(t.one), TypeError, "len: a 0-d tensor has no length; use .item() for its value."),
    Bad("iteration", lambda t: list(t.one), TypeError, "iteration over a 0-d tensor; use .item() for its value."),
    Bad("index-of-a-list", lambda t: [1, 2][t.one], TypeError,
        "a float32 tensor of shape () is not an index; a single integer is (.long())."),
    # gradients
    Bad("backward-of-many", lambda t: (t.X * 2).backward(), RuntimeError,
        "backward: grad can be implicitly created only "
        "for scalar outputs, and _ has shape (4, 5). Reduce it (.sum(), .mean()), or pass gradient=..."),
    Bad("backward-of-nothing", lambda t: t.W.sum().backward(), RuntimeError, "backward: _ () does not require grad and "
        "does not have a grad_fn: ..."),
    Bad("gradient-shape", lambda t: (t.X * 2).backward(t.v), ShapeError,
        "backward: gradient has shape (3,), _ has (4, 5)..."),
    Bad("numpy", lambda t: t.X.numpy(), RuntimeError, "numpy: this tensor requires a gradient, which NumPy would not "
        "record. Use tensor.detach().numpy() instead."),
    Bad("leaf-in-place", lambda t: t.X.mul_(2), RuntimeError,
        "mul_: a leaf Variable that requires grad is being used in "
        "an in-place operation: X (4, 5)..."),
    # devices
    Bad("to-cuda", lambda t: t.W.to("cuda"), RuntimeError,
        "to: there is no device 'cuda'; tensors live in main memory..."),
    Bad("zeros-on-cuda", lambda t: tg.zeros(2, device="cuda:0"), RuntimeError,
        "...there is no device 'cuda:0'; tensors..."),
]  # fmt: skip


def pattern(text: str) -> str:
    return "^" + ".*".join(re.escape(part) for part in text.split("...")) + ("" if text.endswith("...") else r"(\n|$)")


def state(t: Tensors) -> list[tuple[Any, ...]]:
    """Everything about the tensors that a failed call could have spoilt."""
    return [
        (
            x._values().copy(),
            x.dtype,
            x.requires_grad,
            x.grad,
            x.grad_fn,
            x.name,
            x._values().flags.writeable,
            x._storage.version if x._storage is not None else 0,
        )
        for x in t.all()
    ]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_input_is_refused_in_words_and_changes_nothing(bad):
    """The error has the class that PyTorch users catch and says what disagrees; every tensor is as it was."""
    t = Tensors()
    before = state(t)
    stream, default = tg.default_generator.get_state(), tg.get_default_dtype()
    with pytest.raises(bad.error) as caught:
        bad.call(t)
    assert re.search(pattern(bad.text), str(caught.value), re.DOTALL), str(caught.value)
    for was, now in zip(before, state(t), strict=True):
        assert_array_equal(was[0], now[0])
        assert was[1:] == now[1:]
    assert str(tg.default_generator.get_state()) == str(stream)
    assert tg.get_default_dtype() == default


def test_rows_have_names_of_their_own():
    """No two rows print alike, so a failure names one."""
    assert len({b.name for b in BAD}) == len(BAD)


def test_shape_error_shows_each_tensor():
    """One line per tensor: its name, or its variable, or its place; its shape, its dtype, where it comes from."""
    W = tg.zeros(3, 2, requires_grad=True)
    H = (W * 2).tanh()
    with pytest.raises(ShapeError) as caught:
        H.T @ tg.zeros(4, 5)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("matmul: H.T has 3 columns, B has 4 rows; they must be equal")
    assert rest[0].split() == ["H.T", "(2,", "3)", "float32,", "transpose", "of", "H", "(3,", "2)"]
    assert rest[1].split() == ["B", "(4,", "5)", "float32,", "leaf"]


def test_dtype_error_shows_each_tensor():
    """The operands of a product in two dtypes are listed by name."""
    W, X = tg.zeros(2, 3, name="weights"), tg.zeros(3, 4, dtype=tg.float64)
    with pytest.raises(DtypeError, match=r"weights +\(2, 3\) +float32, leaf\n +X +\(3, 4\) +float64, leaf"):
        W @ X


def test_a_name_is_preferred_to_a_variable():
    """`name=` is what the user chose to call the tensor, so messages do too."""
    some_variable = tg.zeros(3, name="pred")
    other = tg.zeros(4)
    with pytest.raises(ShapeError, match=r"\n  pred +\(3,\) .*\n  other +\(4,\) "):
        some_variable + other


def test_array_contents_are_not_shown():
    """A message shows shapes and dtypes, never numbers: the array may have a million."""
    a, b = tensor([123456.0, 2.0]), tensor([1.0, 2.0, 654321.0])
    with pytest.raises(ShapeError) as caught:
        a + b
    assert "123456" not in str(caught.value)
    assert "654321" not in str(caught.value)


@pytest.mark.parametrize("kind", [ShapeError, DtypeError])
def test_errors_are_caught_as_pytorchs_and_as_numpys(kind):
    """ShapeError is a RuntimeError and a ValueError, DtypeError a RuntimeError and a TypeError."""
    assert issubclass(kind, RuntimeError)
    assert issubclass(kind, ValueError if kind is ShapeError else TypeError)


def test_a_failed_operation_leaves_no_record():
    """After an error in the middle of an expression the leaf has no gradient and backward of the rest works."""
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    with pytest.raises(ShapeError):
        y + tg.zeros(3)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_failed_in_place_operation_writes_nothing():
    """The check comes before the write: shape, dtype and label errors leave the target whole."""
    target = tensor([1, 2, 3])
    for call in (lambda: target.mul_(0.5), lambda: target.add_(tg.zeros(2, 3)), lambda: target.copy_(tg.zeros(2))):
        with pytest.raises(RuntimeError):
            call()
    assert target.tolist() == [1, 2, 3]
    assert target._storage is None or target._storage.version == 0
