"""Shapes, parts, arrangements, diagonals and windows against PyTorch: values, types, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import functional

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_equal, assert_near, assert_refused_alike, compare, tensors  # noqa: E402

FULL, STACK = (4, 5), (2, 3, 4)

SAME = {
    "view_as": [(lambda L, x, y: x.view_as(y), (2, 6), (3, 4))],
    "reshape_as": [(lambda L, x, y: x.T.reshape_as(y), (2, 6), (3, 4))],
    "reshape": [(lambda L, x: L.m.reshape(x, shape=(6, -1)), (2, 9)), (lambda L, x: x.reshape(()), (1, 1))],
    "unflatten": [
        (lambda L, x: x.unflatten(1, (2, -1)), (3, 4)),
        (lambda L, x: L.m.unflatten(x, -1, (2, 2, 1)), (3, 4)),
        (lambda L, x: x.unflatten(dim=0, sizes=(3, 1)), (3,)),
    ],
    "movedim": [
        (lambda L, x: L.m.movedim(x, 0, -1), STACK),
        (lambda L, x: x.movedim((0, 1), (2, 0)), STACK),
        (lambda L, x: L.m.moveaxis(x, (2, 0), (0, 1)), STACK),
        (lambda L, x: x.moveaxis(source=1, destination=0), STACK),
        (lambda L, x: x.movedim(0, 0), ()),
    ],
    "swaps": [
        (lambda L, x: L.m.swapaxes(x, 0, 2), STACK),
        (lambda L, x: x.swapaxes(axis0=-1, axis1=0), STACK),
        (lambda L, x: L.m.swapdims(x, 0, 1), STACK),
        (lambda L, x: x.swapdims(dim0=0, dim1=1), FULL),
    ],
    "transposes": [
        (lambda L, x: [x.T, x.H, x.mT, x.mH, x.adjoint(), L.m.adjoint(x), L.m.permute(x, dims=(1, 0))], FULL),
        (lambda L, x: [x.mT, x.mH, x.adjoint()], STACK),
    ],
    "ravel": [(lambda L, x: [x.ravel(), x.T.ravel(), L.m.ravel(x)], FULL), (lambda L, x: x.ravel(), ())],
    "broadcast_to": [
        (lambda L, x: L.m.broadcast_to(x, (2, 3, 4)), (3, 1)),
        (lambda L, x: x.broadcast_to((3, 4)), (3, 1)),
        (lambda L, x: L.m.broadcast_to(x, size=(2, -1)), (3,)),
        (lambda L, x: x.broadcast_to((0, 3)), (1, 3)),
    ],
    "broadcast_tensors": [
        (lambda L, x, y: L.m.broadcast_tensors(x, y), (3, 1), (1, 4)),
        (lambda L, x, y: L.m.broadcast_tensors(x, y), (), (0, 4)),
    ],
    "squeezes": [(lambda L, x: [x.squeeze(), x.squeeze(0), x.squeeze((0, 2)), x.unsqueeze(-1)], (1, 3, 1))],
    "narrow": [
        (lambda L, x: L.m.narrow(x, 1, 1, 3), FULL),
        (lambda L, x: x.narrow(dim=0, start=-2, length=2), FULL),
        (lambda L, x: x.narrow(0, 4, 0), FULL),
        (lambda L, x: x.narrow(0, L.m.tensor(1), 2), FULL),
    ],
    "select": [(lambda L, x: [x.select(0, 1), L.m.select(x, dim=-1, index=-2)], STACK)],
    "unbind": [
        (lambda L, x: [x.unbind(), L.m.unbind(x, 2), x.unbind(dim=1)], STACK),
        (lambda L, x: x.unbind(), (0, 3)),
    ],
    "split": [
        (lambda L, x: L.m.split(x, 2), (5, 2)),
        (lambda L, x: x.split(2, dim=1), FULL),
        (lambda L, x: x.split([1, 3, 1], 1), FULL),
        (lambda L, x: L.m.split(x, split_size_or_sections=10), FULL),
        (lambda L, x: x.split_with_sizes([0, 4]), FULL),
        (lambda L, x: x.split(3), (0, 2)),
        (lambda L, x: x.split(0), (0, 2)),
    ],
    "chunk": [
        (lambda L, x: [L.m.chunk(x, 3), x.chunk(2, 1), x.chunk(chunks=7, dim=-1), x.chunk(1)], FULL),
        (lambda L, x: x.chunk(3), (0, 2)),
    ],
    "tensor_split": [
        (lambda L, x: [L.m.tensor_split(x, 3), x.tensor_split(7, 1)], FULL),
        (lambda L, x: [x.tensor_split((1, 3)), x.tensor_split([3, 1], dim=1), x.tensor_split((-2, 9))], FULL),
        (lambda L, x: x.tensor_split(L.m.tensor([1, 2])), FULL),
        (lambda L, x: x.tensor_split(L.m.tensor(2)), FULL),
    ],
    "hsplit-and-its-like": [
        (
            lambda L, x: [L.m.hsplit(x, 2), x.hsplit([1]), L.m.vsplit(x, 2), x.vsplit((0, 1)), L.m.dsplit(x, 3)],
            (2, 4, 3),
        ),
        (lambda L, x: L.m.hsplit(x, 3), (6,)),
    ],
    "flip": [
        (
            lambda L, x: [
                L.m.flip(x, (0,)),
                x.flip(0, 2),
                x.flip(-1),
                x.flip([1]),
                L.m.flip(x, dims=(0, 1)),
                x.flip(()),
            ],
            STACK,
        ),
        (lambda L, x: [L.m.fliplr(x), x.flipud(), x.fliplr(), L.m.flipud(x)], FULL),
        (lambda L, x: [L.m.flipud(x), x.flip(0)], (3,)),
        (lambda L, x: x.flip(1), (0, 3)),
    ],
    "rot90": [
        (lambda L, x: [L.m.rot90(x), x.rot90(2), x.rot90(k=-1), x.rot90(4), L.m.rot90(x, 5, [1, 0])], FULL),
        (lambda L, x: [x.rot90(1, (0, 2)), x.rot90(3, [-1, 1])], STACK),
    ],
    "roll": [
        (lambda L, x: [L.m.roll(x, 1), x.roll(-2, 0), x.roll((1, 2), (0, 1)), x.roll(shifts=7, dims=1)], FULL),
        (lambda L, x: x.roll((1, 1), (0, 0)), FULL),
        (lambda L, x: x.roll(1, 0), (0, 3)),
    ],
    "repeat": [
        (lambda L, x: [x.repeat(2, 3), x.repeat((1, 1)), x.repeat(2, 1, 3), x.repeat([3, 1]), x.repeat(0, 2)], FULL),
        (lambda L, x: [x.repeat(3), x.repeat(2, 2), x.repeat(())], ()),
        (lambda L, x: x.repeat(2, 1), (1, 1)),
    ],
    "tile": [
        (lambda L, x: [L.m.tile(x, (2,)), x.tile(3, 1), x.tile((2, 1, 2)), L.m.tile(x, dims=(2, 2)), x.tile(())], FULL),
    ],
    "repeat_interleave": [
        (lambda L, x: [L.m.repeat_interleave(x, 2), x.repeat_interleave(3, dim=1), x.repeat_interleave(0, 0)], FULL),
        (lambda L, x: x.repeat_interleave(L.m.tensor([1, 0, 2, 1]), dim=0), FULL),
        (lambda L, x: x.repeat_interleave(L.m.tensor([2]), dim=1, output_size=10), FULL),
        (lambda L, x: L.m.repeat_interleave(L.m.tensor([1, 0, 2])) + x, ()),
        (lambda L, x: x.repeat_interleave(2), ()),
    ],
    "triangles": [
        (lambda L, x: [L.m.tril(x), x.triu(1), x.tril(diagonal=-1), L.m.triu(x, -2), x.tril(9), x.triu(9)], FULL),
        (lambda L, x: [x.tril(1), x.triu()], STACK),
        (lambda L, x: [x.clone().tril_(), (x * 2).triu_(1)], FULL),
        (lambda L, x: x.tril(), (0, 3)),
        (lambda L, x: L.m.where(x.detach() > 0, float("inf"), x).tril() == 0, FULL),
    ],
    "triangle-indices": [
        (lambda L: [L.m.tril_indices(3, 4), L.m.tril_indices(4, 3, offset=-1), L.m.triu_indices(3, 3, 1)],),
        (
            lambda L: [
                L.m.triu_indices(row=2, col=5, offset=-3),
                L.m.tril_indices(0, 3),
                L.m.triu_indices(2, 2, dtype=L.m.int32),
            ],
        ),
    ],
    "diagonal": [
        (
            lambda L, x: [L.m.diagonal(x), x.diagonal(1), x.diagonal(offset=-2), x.diagonal(0, 1, 0), x.diagonal(9)],
            FULL,
        ),
        (lambda L, x: [x.diagonal(0, 1, 2), x.diagonal(dim1=-1, dim2=0), x.diagonal(-1, 0, 1)], STACK),
    ],
    "diag": [
        (lambda L, x: [L.m.diag(x), x.diag(2), x.diag(diagonal=-1)], (3,)),
        (lambda L, x: [L.m.diag(x), x.diag(2), x.diag(-1)], FULL),
        (lambda L, x: [L.m.diagflat(x), x.diagflat(1)], (2, 2)),
        (lambda L, x: x.diagflat(-1), ()),
    ],
    "diag_embed": [
        (
            lambda L, x: [L.m.diag_embed(x), x.diag_embed(1), x.diag_embed(-1, 0, 2), x.diag_embed(dim1=0, dim2=-1)],
            (2, 3),
        ),
        (lambda L, x: x.diag_embed(), (0,)),
    ],
    "unfold": [
        (lambda L, x: [x.unfold(0, 2, 1), x.unfold(1, 3, 2), x.T.unfold(0, 2, 2), x.unfold(-1, 5, 1)], FULL),
        (lambda L, x: [x.unfold(dimension=0, size=1, step=3), x[:, 1:].unfold(1, 2, 1), x.unfold(0, 0, 1)], FULL),
        (lambda L, x: x.unfold(1, 2, 1).unfold(0, 2, 1), FULL),
        (lambda L, x: [x.unfold(0, 1, 1), x.unfold(0, 0, 1)], ()),
        (lambda L, x: x.expand(4, 5).unfold(0, 2, 1), (1, 5)),
        (lambda L, x: x.flip(0)[1:].unfold(1, 2, 2), (3, 5)),
    ],
    "pad-constant": [
        (lambda L, x: [L.F.pad(x, (1, 2)), L.F.pad(x, [1, 0, 0, 2], value=1.5), L.F.pad(x, (0, 0))], FULL),
        (lambda L, x: [L.F.pad(x, (-1, 2)), L.F.pad(x, (-2, -1, 1, -1), "constant", 3.0), L.F.pad(x, ())], FULL),
        (lambda L, x: [L.F.pad(x, (1, 1)), L.F.pad(x, (0, 0, 1, 1))], (0, 3)),
    ],
    "pad-others": [
        (lambda L, x: [L.F.pad(x, (1, 2), mode=m) for m in ("reflect", "replicate", "circular")], (3, 4)),
        (lambda L, x: [L.F.pad(x, (3, 2, 0, 1), m) for m in ("reflect", "replicate", "circular")], (1, 3, 4)),
        (
            lambda L, x: [L.F.pad(x, (1, 0, 1, 1, 0, 2), m) for m in ("reflect", "replicate", "circular")],
            (1, 2, 3, 3, 2),
        ),
        (lambda L, x: [L.F.pad(x, (-1, 2), mode=m) for m in ("reflect", "replicate", "circular")], (1, 2, 4)),
        (lambda L, x: L.F.pad(x, (7, 6), mode="replicate"), (2, 3)),
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_agrees_with_pytorch(name, rng):
    """Results, dtypes, requires_grad, gradients and second gradients are PyTorch's."""
    for function, *shapes in SAME[name]:
        compare(function, *shapes, rng=rng)


@pytest.mark.parametrize("name", SAME)
def test_other_types_agree_with_pytorch(name, rng):
    """Of float32 and of integers too."""
    for function, *shapes in SAME[name]:
        for dtype in ("float32", "int64"):
            if dtype == "int64" and name in ("triangles", "pad-constant"):
                continue  # infinity and the fill value 1.5 are not integers
            arrays = [rng.integers(-3, 4, s).astype(dtype) for s in shapes]
            ours, theirs = (
                tensors(function(library, *[library.make(np.asarray(a)) for a in arrays])) for library in (OURS, THEIRS)
            )
            for i, (y, expected) in enumerate(zip(ours, theirs, strict=True)):
                assert_equal(y, expected, f"output {i}")


WRONG = {
    "unflatten": [
        (lambda L, x: x.unflatten(1, (2, 2)), FULL),
        (lambda L, x: x.unflatten(1, ()), FULL),
        (lambda L, x: x.unflatten(1, (-1, 2)), FULL),
    ],
    "movedim": [
        (lambda L, x: x.movedim((0, 1), (0,)), FULL),
        (lambda L, x: x.movedim((0, 0), (0, 1)), FULL),
        (lambda L, x: x.movedim(2, 0), FULL),
    ],
    "transposes": [(lambda L, x: x.H, STACK), (lambda L, x: x.mT, (3,)), (lambda L, x: x.adjoint(), (3,))],
    "broadcast": [
        (lambda L, x: L.m.broadcast_to(x, (2, 4)), (3,)),
        (lambda L, x, y: L.m.broadcast_tensors(x, y), (3,), (4,)),
    ],
    "narrow": [
        (lambda L, x: x.narrow(0, 3, 2), FULL),
        (lambda L, x: x.narrow(0, 5, 0), FULL),
        (lambda L, x: x.narrow(0, 0, -1), FULL),
        (lambda L, x: x.narrow(0, 0, 1), ()),
    ],
    "select": [
        (lambda L, x: x.select(0, 4), FULL),
        (lambda L, x: x.select(0, 0), ()),
        (lambda L, x: x.select(2, 0), FULL),
    ],
    "unbind": [(lambda L, x: x.unbind(), ()), (lambda L, x: x.unbind(2), FULL)],
    "split": [
        (lambda L, x: x.split(-1), FULL),
        (lambda L, x: x.split(0), FULL),
        (lambda L, x: x.split([1, 2]), FULL),
        (lambda L, x: x.split([5, -1]), FULL),
        (lambda L, x: x.split(1), ()),
    ],
    "chunk": [(lambda L, x: x.chunk(0), FULL), (lambda L, x: x.chunk(1), ())],
    "tensor_split": [(lambda L, x: x.tensor_split(0), FULL), (lambda L, x: x.tensor_split(1), ())],
    "hsplit": [
        (lambda L, x: x.hsplit(2), FULL),
        (lambda L, x: x.vsplit(3), FULL),
        (lambda L, x: x.dsplit(1), FULL),
        (lambda L, x: x.vsplit(1), (3,)),
        (lambda L, x: x.hsplit(1), ()),
    ],
    "flip": [
        (lambda L, x: x.flip(0, 0), FULL),
        (lambda L, x: x.flip(2), FULL),
        (lambda L, x: x.fliplr(), (3,)),
        (lambda L, x: x.flipud(), ()),
    ],
    "rot90": [
        (lambda L, x: x.rot90(1, (0, 0)), FULL),
        (lambda L, x: x.rot90(), (3,)),
        (lambda L, x: x.rot90(1, (0,)), FULL),
    ],
    "roll": [
        (lambda L, x: x.roll((1, 2), (0,)), FULL),
        (lambda L, x: x.roll(1, 2), FULL),
        (lambda L, x: x.roll((1, 2)), FULL),
        (lambda L, x: x.roll(()), FULL),
    ],
    "repeat": [(lambda L, x: x.repeat(2), FULL), (lambda L, x: x.repeat(2, -1), FULL)],
    "repeat_interleave": [
        (lambda L, x: x.repeat_interleave(-1), FULL),
        (lambda L, x: x.repeat_interleave(L.m.tensor([1, 2]), 0), FULL),
        (lambda L, x: x.repeat_interleave(L.m.tensor([-1]), 0), FULL),
    ],
    "triangles": [(lambda L, x: x.tril(), (3,)), (lambda L: L.m.tril_indices(-1, 2),)],
    "diagonal": [
        (lambda L, x: x.diagonal(0, 1, 1), FULL),
        (lambda L, x: x.diagonal(), (3,)),
        (lambda L, x: x.diag(), STACK),
        (lambda L, x: x.diag(), ()),
        (lambda L, x: x.diag_embed(0, 1, 1), FULL),
        (lambda L, x: x.diag_embed(), ()),
    ],
    "unfold": [
        (lambda L, x: x.unfold(0, 5, 1), FULL),
        (lambda L, x: x.unfold(0, 2, 0), FULL),
        (lambda L, x: x.unfold(2, 1, 1), FULL),
        (lambda L, x: x.unfold(0, -1, 1), FULL),
    ],
    "pad": [
        (lambda L, x: L.F.pad(x, (1,)), FULL),
        (lambda L, x: L.F.pad(x, (1,) * 6), FULL),
        (lambda L, x: L.F.pad(x, (-3, -3)), FULL),
        (lambda L, x: L.F.pad(x, (5, 0), "reflect"), FULL),
        (lambda L, x: L.F.pad(x, (6, 0), "circular"), FULL),
        (lambda L, x: L.F.pad(x, (1, 0), "mirror"), FULL),
        (lambda L, x: L.F.pad(x, (1, 0), "reflect"), (3,)),
        (lambda L, x: L.F.pad(x, (1, 0), "reflect", 1.0), FULL),
    ],
}


@pytest.mark.parametrize("name", WRONG)
def test_is_refused_as_by_pytorch(name):
    """Bad arguments raise what a PyTorch script would catch."""
    for function, *shapes in WRONG[name]:
        assert_refused_alike(function, *shapes)


PARTS = {
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(0, 2),
    "diagonal": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 2, 3),
    "movedim": lambda x: x.movedim(0, 1)[2],
    "view_as": lambda x: x.view_as(x.T.contiguous())[0],
}


@pytest.mark.parametrize("name", PARTS)
def test_views_are_written_through(name, rng):
    """A write through the part reaches the whole, and the gradient what it came from, as in PyTorch."""
    array = rng.standard_normal(FULL)
    found = []
    for library in (OURS, THEIRS):
        x = library.leaf(array)
        y = x * 2
        PARTS[name](y).mul_(3)
        (y * y).sum().backward()
        found.append((y, x.grad))
    assert_equal(found[0][0], found[1][0], "values")
    assert_near(found[0][1], found[1][1], "gradient")


@pytest.mark.parametrize("name", ["split", "chunk", "unbind"])
def test_several_parts_are_written_through(name, rng):
    """Parts are slices: a write through one reaches the whole and its gradient (PyTorch refuses this one)."""
    array = rng.standard_normal((4, 4))
    x = tg.tensor(array, requires_grad=True)
    y = x * 1
    first, *_ = y.unbind() if name == "unbind" else getattr(y, name)(2)
    first.mul_(3)
    y.sum().backward()
    scale = np.ones((4, 4))
    scale[: 1 if name == "unbind" else 2] = 3
    np.testing.assert_array_equal(y.detach(), scale * array)
    np.testing.assert_array_equal(x.grad, scale)


@pytest.mark.parametrize("copying", ["flip", "roll", "repeat", "tile", "repeat_interleave", "diag", "rot90"])
def test_copies_are_copies(copying):
    """A write into the result leaves what it was made from alone."""
    x = tg.ones(2, 2)
    arguments = {"flip": (0,), "roll": (1,), "repeat": (1, 1), "tile": ((1,),), "repeat_interleave": (1, 0)}
    getattr(x, copying)(*arguments.get(copying, ())).fill_(7)
    np.testing.assert_array_equal(x, np.ones((2, 2)))


def test_padding_counts_from_the_last_axis():
    """The first pair of numbers is the last axis's, by hand."""
    x = tg.tensor([[1.0, 2.0]])
    assert functional.pad(x, (1, 0, 0, 1), value=9.0).tolist() == [[9.0, 1.0, 2.0], [9.0, 9.0, 9.0]]


def test_windows_that_overlap_add_their_gradients():
    """An element seen by several windows gets the sum of their cotangents, by hand."""
    x = tg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    x.unfold(0, 3, 1).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 2.0, 1.0]


def test_windows_that_overlap_are_not_written():
    """One write would change several elements, and no gradient would know: refused; side by side they may be."""
    x = tg.zeros(6)
    with pytest.raises(RuntimeError, match="more than one element"):
        x.unfold(0, 3, 1).add_(1)
    x.unfold(0, 3, 3)[1].add_(1)
    assert x.tolist() == [0, 0, 0, 1, 1, 1]
