"""Names beside the rule book's families, against PyTorch: queries, in-place forms, draws, windows, LU and more."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import tinygrad_edu as tg  # noqa: E402
from tinygrad_edu.ops.public import INPLACE  # noqa: E402

BOTH = (tg, torch)
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def same(ours, theirs, rtol=1e-6):
    """Equal dtype and shape; numbers to float32's digits unless said otherwise, 0 to what rounding leaves of 1."""
    assert str(theirs.dtype) == f"torch.{ours.dtype}"
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=1e-12)


def test_dtypes_promote_and_cast_alike():
    """promote_types and can_cast for every pair of dtypes."""
    for one in DTYPES:
        for other in DTYPES:
            ours, theirs = ((lib, getattr(lib, one), getattr(lib, other)) for lib in BOTH)
            assert f"torch.{tg.promote_types(*ours[1:])}" == str(torch.promote_types(*theirs[1:]))
            assert tg.can_cast(*ours[1:]) == torch.can_cast(*theirs[1:]), (one, other)


def test_result_type_ranks_operands():
    """A number beside a tensor, a 0-d tensor beside a vector."""
    for make in (
        lambda lib: (lib.ones(2, dtype=lib.int64), 1.5),
        lambda lib: (lib.ones(2), lib.tensor(1.0, dtype=lib.float64)),
        lambda lib: (lib.tensor(1), lib.ones(2, dtype=lib.int8)),
    ):
        assert f"torch.{tg.result_type(*make(tg))}" == str(torch.result_type(*make(torch)))


@pytest.mark.parametrize(
    "call",
    [
        "m.randint(5, size=(3,))",
        "m.randint(high=5, size=(3,))",
        "m.randint(2, high=5, size=(3,))",
        "m.randint_like(m.ones(3), high=5)",
        "m.randint_like(m.ones(3), 5)",
        "m.randint_like(m.ones(3), low=2, high=5)",
        "m.ones(3).random_(to=5)",
        "m.arange(5).split(split_size=2)[1]",
        "m.arange(5).split([1, 4], dim=0)[1]",
        "m.split(m.arange(5), split_size_or_sections=2)[1]",
        "m.arange(start=1, end=7, step=2)",
        "m.linspace(start=0, end=1, steps=3)",
        "m.normal(mean=2.0, std=m.ones(3))",
        "m.ones(4).reshape(shape=(2, 2))",
        "m.ones(2, 3).max(axis=1)[0]",
        "m.ones(2, 3).permute(dims=(1, 0))",
        "m.ones(1, 3).expand(size=(2, 3))",
    ],
)
def test_arguments_by_name(call):
    """In all the ways in which scripts write them."""
    found = []
    for m in BOTH:
        m.manual_seed(0)
        found.append(eval(call, {"m": m}))
    same(*found)


def test_lengths_are_needed():
    """A split needs one, by one of its names."""
    for m in BOTH:
        with pytest.raises(TypeError):
            m.ones(3).split()
    with pytest.raises(TypeError, match=r"split: a length is needed, or a list of them: split\(2\)"):
        tg.split(tg.ones(3), 2, split_size=2)


@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
def test_default_dtype_by_the_type_of_tensors():
    """By the class, or by its name, which is PyTorch's."""
    found = []
    for m in BOTH:
        try:
            m.set_default_tensor_type("torch.DoubleTensor")
            found.append(m.ones(1).element_size())
            m.set_default_tensor_type(m.FloatTensor)
            found.append(m.ones(1).element_size())
        finally:
            m.set_default_dtype(m.float32)
        with pytest.raises(TypeError):
            m.set_default_tensor_type(m.LongTensor)
    assert found == [8, 4, 8, 4]


def test_limits_of_dtypes():
    """finfo and iinfo."""
    for name in ("float32", "float64"):
        ours, theirs = (lib.finfo(getattr(lib, name)) for lib in BOTH)
        for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
            assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-7)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, theirs = (lib.iinfo(getattr(lib, name)) for lib in BOTH)
        assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    with pytest.raises(TypeError, match="use iinfo"):
        tg.finfo(tg.int64)


def test_questions_about_tensors():
    """broadcast_shapes, is_nonzero, is_same_size, is_signed, type, unravel_index, sum_to_size."""
    for lib in BOTH:
        assert tuple(lib.broadcast_shapes((2, 1), (3,), 1)) == (2, 3)
        assert lib.is_nonzero(lib.tensor([2.0])) is True
        assert lib.is_same_size(lib.ones(2), lib.ones(2, 1)) is False
        assert lib.ones(1, dtype=lib.uint8).is_signed() is False
        assert lib.ones(1).type() == "torch.FloatTensor"
        assert lib.ones(1).type("torch.LongTensor").dtype == lib.int64
        assert lib.ones(1).type(lib.int8).char().byte().dtype == lib.uint8
        assert lib.ones(2, 3).sum_to_size(1, 3).tolist() == [[2.0, 2.0, 2.0]]
        assert [i.tolist() for i in lib.unravel_index(lib.tensor([5, 0]), (2, 3))] == [[1, 0], [2, 0]]
        with pytest.raises(RuntimeError):
            lib.broadcast_shapes((2,), (3,))
        with pytest.raises(RuntimeError):
            lib.ones(2).sum_to_size(3)


def test_bytes_are_read_as_other_numbers():
    """x.view(dtype), of equal, smaller and larger size."""
    X = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    for dtype in ("int32", "uint8", "float64"):
        ours, theirs = (lib.tensor(X).view(getattr(lib, dtype)) for lib in BOTH)
        same(ours, theirs)
    for lib in BOTH:
        with pytest.raises(RuntimeError):
            lib.tensor(X)[:, :3].view(lib.float64)


@pytest.mark.parametrize("name", sorted(INPLACE))
def test_in_place_function_is_the_method(name):
    """tinygrad_edu.relu_(x) writes x and returns it, as torch.relu_(x) does."""
    whole = name in ("gcd_", "lcm_")
    X = np.array([4, 6]) if whole else np.array([0.25, 0.75])
    more = {"clamp_": (0.3,), "clip_": (0.3,), "clamp_min_": (0.3,), "clamp_max_": (0.3,)}.get(name, ())
    results = []
    for lib in BOTH:
        x = lib.tensor(X + 1 if name in ("acosh_", "arccosh_") else X)
        args = (lib.tensor([10, 4] if whole else [2.0, 3.0]),) if name in ("gcd_", "lcm_", "ldexp_", "xlogy_") else more
        assert getattr(lib, name)(x, *args) is x
        results.append(x)
    same(*results, rtol=1e-6)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"])
def test_comparison_in_place_keeps_the_dtype(name):
    """x.lt_(y) stores ones and zeros in x's own dtype."""
    results = []
    for lib in BOTH:
        x, y = lib.tensor([0.0, 1.0, 2.0]), lib.tensor([0.0, 2.0, 1.0])
        assert getattr(x, f"{name}_")(y) is x
        results.append(x)
    same(*results)


RESHAPED = {
    "squeeze_": (((1, 3, 1),), ()),
    "unsqueeze_": (((2, 3),), (1,)),
    "transpose_": (((2, 3),), (0, 1)),
    "swapaxes_": (((2, 3, 4),), (0, 2)),
    "t_": (((2, 3),), ()),
}


@pytest.mark.parametrize("name", RESHAPED)
def test_reshaped_in_place_keeps_its_gradient(name):
    """The tensor has the new shape and the old history; writes into it go to the same memory."""
    (shape,), args = RESHAPED[name]
    grads = []
    for lib in BOTH:
        x = lib.arange(np.prod(shape).item(), dtype=lib.float64).reshape(shape).clone().requires_grad_()
        y = x * x
        assert getattr(y, name)(*args) is y
        y[0] = 0.0
        (y * lib.arange(y.numel(), dtype=lib.float64).reshape(y.shape)).sum().backward()
        grads.append((y, x.grad))
    same(grads[0][0], grads[1][0])
    same(grads[0][1], grads[1][1])


def test_reshaped_in_place_refusals():
    """A leaf that requires a gradient; a view that was taken before, once its base is written."""
    for lib in BOTH:
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            lib.ones(1, 2, requires_grad=True).squeeze_()
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 1
    row = y[0]
    y.t_()
    y += 1
    with pytest.raises(RuntimeError, match="take the view again"):
        row * 2


DRAWS = {
    "random": lambda lib: lib.empty(5).random_(),
    "random-to": lambda lib: lib.empty(5, dtype=lib.int64).random_(7),
    "random-from": lambda lib: lib.empty(5, dtype=lib.float64).random_(-3, 1 << 40),
    "random-int8": lambda lib: lib.empty(5, dtype=lib.int8).random_(),
    "random-double": lambda lib: lib.empty(5, dtype=lib.float64).random_(),
    "geometric": lambda lib: lib.empty(6).geometric_(0.3),
    "cauchy": lambda lib: lib.empty(5).cauchy_(1.0, 2.0),
    "log_normal": lambda lib: lib.empty(5, dtype=lib.float64).log_normal_(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_pytorchs(name):
    """The same numbers from the same seed."""
    for lib in BOTH:
        lib.manual_seed(3)
    same(DRAWS[name](tg), DRAWS[name](torch))


MADE = {
    "logspace": lambda lib: lib.logspace(-1, 2, 5),
    "logspace-base": lambda lib: lib.logspace(0, 3, 4, base=2, dtype=lib.float64),
    "scalar": lambda lib: lib.scalar_tensor(3),
    "combinations": lambda lib: lib.combinations(lib.tensor([1.0, 2.0, 3.0, 4.0]), 3),
    "combinations-repeated": lambda lib: lib.combinations(lib.tensor([1, 2, 3]), with_replacement=True),
    "histogram": lambda lib: lib.histogram(lib.tensor([1.0, 2.0, 1.0, 4.0]), 3)[0],
    "histogram-weights": lambda lib: lib.histogram(
        lib.tensor([1.0, 2.0, 1.0, 4.0]), lib.tensor([0.0, 1.5, 5.0]), weight=lib.tensor([1.0, 2.0, 3.0, 4.0]),
        density=True,
    )[0],
    "diagonal": lambda lib: lib.zeros(7, 3).fill_diagonal_(5, wrap=True),
    "diagonal-wide": lambda lib: lib.zeros(2, 5).fill_diagonal_(1.5),
    "diagonal-cube": lambda lib: lib.zeros(3, 3, 3).fill_diagonal_(2),
    "nuclear": lambda lib: lib.norm(lib.tensor([[1.0, 2.0], [3.0, 5.0]]), "nuc"),
    "frexp": lambda lib: lib.frexp(lib.tensor([3.0, -0.3, 0.0]))[1],
    "nextafter": lambda lib: lib.nextafter(lib.tensor([1.0, 2.0]), lib.tensor([2.0, 0.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_results_are_pytorchs(name):
    """Values and dtypes."""
    same(MADE[name](tg), MADE[name](torch))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_windows_are_pytorchs(name, periodic):
    """Of no sample, of one, of an even and an odd number."""
    for n in (0, 1, 2, 7):
        ours, theirs = (getattr(lib, f"{name}_window")(n, periodic, dtype=lib.float64) for lib in BOTH)
        assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-7)  # PyTorch's kaiser has a Bessel function of float32


SMOOTH = {
    "ldexp": (lambda lib, x: lib.ldexp(x, lib.tensor([1, 0, 3])), [0.5, 1.5, -2.0]),
    "frexp": (lambda lib, x: lib.frexp(x)[0], [0.3, 5.0, -2.5]),
    "mvlgamma": (lambda lib, x: lib.mvlgamma(x, 3), [2.5, 3.0, 7.0]),
    "gradient": (lambda lib, x: lib.gradient(x)[0], [1.0, 4.0, 9.0, 20.0]),
    "gradient-edges": (lambda lib, x: lib.gradient(x, spacing=2.0, edge_order=2)[0], [1.0, 4.0, 9.0, 20.0]),
    "gradient-uneven": (
        lambda lib, x: lib.gradient(x, spacing=(lib.tensor([0.0, 1.0, 2.0, 4.0], dtype=lib.float64),), edge_order=2)[0],
        [1.0, 4.0, 9.0, 20.0],
    ),
    "gradient-axes": (lambda lib, x: lib.gradient(x.reshape(2, 3), spacing=[2.0, 3.0])[1], [1.0, 2, 4, 8, 16, 32]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_gradients_are_pytorchs(name):
    """And the gradients are those of differences."""
    function, numbers = SMOOTH[name]
    results = []
    for lib in BOTH:
        x = lib.tensor(numbers, dtype=lib.float64, requires_grad=True)
        y = function(lib, x)
        (y * y).sum().backward()
        results.append((y, x.grad))
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, rtol=1e-10)
    assert tg.autograd.gradcheck(lambda x: function(tg, x), tg.tensor(numbers, dtype=tg.float64, requires_grad=True))


def test_negative_exponents_have_their_gradient():
    """d ldexp(x, e) / dx is 2**e; PyTorch 2.13 computes 2**e in integers there, and gives 0 for e < 0."""
    x = tg.ones(2, requires_grad=True)
    tg.ldexp(x, tg.tensor([-1, -3])).sum().backward()
    assert x.grad.tolist() == [0.5, 0.125]


SHAPES = [(3, 3), (5, 3), (3, 5), (2, 4, 4), (2, 5, 3), (2, 3, 5), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["lu", "lu_factor"])
def test_lu_is_pytorchs(name, shape, rng):
    """Factors, pivots and gradients of square, tall and wide matrices and stacks."""
    A = rng.standard_normal(shape)
    results = []
    for lib in BOTH:
        x = lib.tensor(A, requires_grad=True)
        found = getattr(lib.linalg, name)(x)
        sum((part**3).sum() for part in found if part.requires_grad).backward()
        results.append((*found, x.grad))
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, rtol=1e-11)  # rounding times the condition of a random matrix; measured 1e-14


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_stored_factors_solve(left, adjoint, rng):
    """lu_solve from both sides, of A and of its transpose, with gradients of both operands."""
    A, B = rng.standard_normal((2, 4, 4)), rng.standard_normal((2, 4, 2) if left else (2, 2, 4))
    results = []
    for lib in BOTH:
        x, b = lib.tensor(A, requires_grad=True), lib.tensor(B, requires_grad=True)
        X = lib.linalg.lu_solve(*lib.linalg.lu_factor(x), b, left=left, adjoint=adjoint)
        (X * X).sum().backward()
        results.append((X, x.grad, b.grad))
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, rtol=1e-11)  # rounding times the condition of a random matrix; measured 1e-14


def test_tensor_equations_are_numpys(rng):
    """tensorinv and tensorsolve, and the product of reflections from geqrf."""
    A = rng.standard_normal((4, 4, 2, 8))  # rounding times the condition of random matrices: 1e-11
    assert_allclose(tg.linalg.tensorinv(tg.tensor(A)).numpy(), np.linalg.tensorinv(A, 2), rtol=1e-11)
    A, B = rng.standard_normal((6, 4, 2, 3, 4)), rng.standard_normal((6, 4))
    assert_allclose(np.linalg.tensorsolve(tg.tensor(A), tg.tensor(B)).numpy(), np.linalg.tensorsolve(A, B), rtol=1e-11)
    A, B = rng.standard_normal((4, 6, 6, 4)), rng.standard_normal((6, 4))  # axes 0 and 2 are moved to the end
    ours, theirs = (lib.linalg.tensorsolve(lib.tensor(A), lib.tensor(B), (0, 2)) for lib in BOTH)
    same(ours, theirs, rtol=1e-11)
    H, tau = (t.numpy() for t in torch.geqrf(torch.tensor(rng.standard_normal((2, 5, 3)))))
    same(*(lib.linalg.householder_product(lib.tensor(H), lib.tensor(tau)) for lib in BOTH), rtol=1e-10)


def test_forms_that_report():
    """inv_ex, cholesky_ex and solve_ex say by info what failed, and give the others' results."""
    good, bad = np.eye(2), np.ones((2, 2))
    inverse, info = tg.linalg.inv_ex(tg.tensor(np.stack([good, bad])))
    assert info.tolist() == [0, 1]
    assert_array_equal(inverse[0].numpy(), good)
    assert np.isnan(inverse[1].numpy()).all()
    assert tg.linalg.cholesky_ex(tg.tensor(-good)).info.item() == 1
    assert tg.linalg.solve_ex(tg.tensor(good), tg.tensor(bad)).info.item() == 0
    with pytest.raises(tg.linalg.LinAlgError):
        tg.linalg.inv_ex(tg.tensor(bad), check_errors=True)
    with pytest.raises(NotImplementedError, match="complex"):
        tg.linalg.eig(tg.tensor(good))
