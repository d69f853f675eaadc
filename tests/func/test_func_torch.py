"""func side by side with torch.func."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# PyTorch's forward mode compiles scripts when first used, and warns of it
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

CASES = {
    "grad": lambda f, x, A: f.grad(lambda x: (x**3).sum())(x),
    "grad of the second argument": lambda f, x, A: f.grad(lambda a, b: (a @ b).sum(), argnums=1)(A, x),
    "grad of both": lambda f, x, A: f.grad(lambda a, b: ((a @ b) ** 2).sum(), argnums=(0, 1))(A, x),
    "grad of a dict": lambda f, x, A: f.grad(lambda d: (d["A"] @ d["x"]).sum())({"A": A, "x": x}),
    "grad with aux": lambda f, x, A: f.grad(lambda x: ((x**2).sum(), x * 2), has_aux=True)(x),
    "grad and value": lambda f, x, A: f.grad_and_value(lambda x: (x**2).sum())(x),
    "grad and value with aux": lambda f, x, A: f.grad_and_value(lambda x: ((x**2).sum(), x), has_aux=True)(x),
    "grad of grad": lambda f, x, A: f.grad(lambda t: f.grad(lambda u: u**3 * t)(t))(x[0]),
    "no confusion of levels": lambda f, x, A: f.grad(lambda t: t * f.grad(lambda u: t * u)(x[1]))(x[0]),
    "independent": lambda f, x, A: f.grad(lambda a, b: (a * a).sum(), argnums=1)(x, A),
    "jvp": lambda f, x, A: f.jvp(lambda x: (A @ x).sin(), (x,), (x * 2,)),
    "jvp of two": lambda f, x, A: f.jvp(lambda A, x: (A @ x, x * x), (A, x), (A * 2, x)),
    "jacrev": lambda f, x, A: f.jacrev(lambda x: (A @ x).sin())(x),
    "jacrev of several": lambda f, x, A: f.jacrev(lambda A, x: {"y": A @ x, "z": x.sum()}, argnums=(0, 1))(A, x),
    "jacfwd": lambda f, x, A: f.jacfwd(lambda x: (A @ x).sin())(x),
    "hessian": lambda f, x, A: f.hessian(lambda x: (A @ x).sin().sum())(x),
    "vmap": lambda f, x, A: f.vmap(lambda a: (a * x).sum())(A),
    "vmap over two axes": lambda f, x, A: f.vmap(lambda a, b: (a * b, a.sum()), in_dims=(0, 1), out_dims=(1, 0))(
        A, A.T
    ),
    "vmap with None and nesting": lambda f, x, A: f.vmap(lambda p, c: p[0] @ p[1] * c, in_dims=((0, None), None))(
        (A, x), 2.0
    ),
    "vmap of vmap": lambda f, x, A: f.vmap(f.vmap(lambda a: a.sin()), out_dims=1)(A),
    "gradients per example": lambda f, x, A: f.vmap(f.grad(lambda a, x: (a @ x) ** 2, argnums=1), in_dims=(0, None))(
        A, x
    ),
}


def numbers(tree):
    """The form of a result, and its arrays in order."""
    if isinstance(tree, dict):
        return {k: numbers(v) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)):
        return [type(tree).__name__, *map(numbers, tree)]
    assert not tree.requires_grad
    return tree.numpy()


def assert_same(mine, theirs):
    assert type(mine) is type(theirs)
    if isinstance(theirs, dict):
        assert list(mine) == list(theirs)
        mine, theirs = list(mine.values()), list(theirs.values())
    if isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for m, t in zip(mine, theirs, strict=True):
            assert_same(m, t)
    elif isinstance(theirs, str):
        assert mine == theirs
    else:
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype
        assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)  # float64, a few operations


@pytest.mark.parametrize("case", CASES)
def test_same_as_torch_func(case, rng):
    """Form, shapes, dtypes and numbers are torch.func's."""
    x, A = rng.standard_normal(3), rng.standard_normal((2, 3))
    mine = CASES[case](tinygrad_edu.func, tinygrad_edu.tensor(x), tinygrad_edu.tensor(A))
    theirs = CASES[case](torch.func, torch.tensor(x), torch.tensor(A))
    assert_same(numbers(mine), numbers(theirs))


def test_vjp(rng):
    """Value and pullback, of two primals and a nested output; the pullback may be called again."""
    x, A = rng.standard_normal(3), rng.standard_normal((2, 3))
    found = []
    for library in (tinygrad_edu, torch):
        value, pull, aux = library.func.vjp(
            lambda A, x: ((A @ x, {"s": x.sum()}), x * 2), library.tensor(A), library.tensor(x), has_aux=True
        )
        one = library.ones(2, dtype=library.float64)
        s = library.tensor(2.0, dtype=library.float64)
        found.append(numbers([value, aux, pull((one, {"s": s})), pull((one * 3, {"s": s}))]))
    assert_same(*found)


def test_gradients_flow_to_the_caller(rng):
    """A func.grad inside of an ordinary backward: through arguments that require grad and through captured ones."""
    array = rng.standard_normal(3)

    def run(library):
        x, w = (library.tensor(array * k, requires_grad=True) for k in (1, 2))
        (library.func.grad(lambda x: (w * x**3).sum())(x) ** 2).sum().backward()
        return x.grad.numpy(), w.grad.numpy()

    assert_allclose(run(tinygrad_edu), run(torch), rtol=1e-12)  # float64, a few products


def test_functional_call():
    """Other tensors in a model's places, tied ones included; the model is as before afterwards."""

    def run(library):
        library.manual_seed(0)
        func, model = library.func, library.nn.Sequential(*(library.nn.Linear(3, 3) for _ in range(2)))
        model[1].weight = model[0].weight
        other = {"0.weight": library.ones(3, 3), "0.bias": library.zeros(3)}
        x = library.ones(2, 3)
        before = model(x)
        tied = func.functional_call(model, other, x)
        loose = func.functional_call(model, other, (x,), tie_weights=False)
        gradient = func.grad(lambda p: (func.functional_call(model, p, (x,)) ** 2).sum())(other)
        assert model(x).tolist() == before.tolist()
        return [t.detach().numpy() for t in (before, tied, loose, *gradient.values())]

    found = [run(tinygrad_edu), run(torch)]
    for mine, theirs in zip(*found, strict=True):
        assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)  # float32, another order of summation


WRONG = {
    "not scalar": (lambda f, x: f.grad(lambda x: x * 2)(x), RuntimeError),
    "argnum out of range": (lambda f, x: f.grad(lambda x: x.sum(), argnums=1)(x), RuntimeError),
    "sizes differ": (lambda f, x: f.vmap(lambda a, b: a)(x, x[:1]), ValueError),
    "nothing mapped": (lambda f, x: f.vmap(lambda a: a, in_dims=None)(x), ValueError),
    "dimension out of range": (lambda f, x: f.vmap(lambda a: a, in_dims=2)(x), ValueError),
    "not a tensor": (lambda f, x: f.vmap(lambda a: a)(1.0), ValueError),
    "number returned": (lambda f, x: f.vmap(lambda a: 1.0)(x), ValueError),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_raise_pytorchs_classes(case):
    """What torch.func refuses is refused, with the same class of error."""
    call, error = WRONG[case]
    for library in (tinygrad_edu, torch):
        with pytest.raises(error):
            call(library.func, library.ones(3))


def test_random_draws_in_vmap():
    """Refused by default, with the generator as it was; the same or different ones on request."""
    f, x = tinygrad_edu.func.vmap, tinygrad_edu.ones(3, 2)
    draw = lambda a: a * tinygrad_edu.rand(2)
    tinygrad_edu.manual_seed(0)
    expected = tinygrad_edu.rand(2).tolist()
    tinygrad_edu.manual_seed(0)
    for library, ones in ((tinygrad_edu, x), (torch, torch.ones(3, 2))):
        with pytest.raises(RuntimeError, match="randomness error mode"):
            library.func.vmap(lambda a, rand=library.rand: a * rand(2))(ones)
    assert f(draw, randomness="same")(x).tolist() == [expected] * 3
    assert len(set(map(tuple, f(draw, randomness="different")(x).tolist()))) == 3
    with pytest.raises(RuntimeError, match="results differ from example to example"):
        f(lambda a: a[: int(a.sum())])(tinygrad_edu.tensor([[1.0, 0.0], [1.0, 1.0]]))
    with pytest.raises(RuntimeError, match="batch is empty"):
        f(lambda a: a)(tinygrad_edu.ones(0, 2))


def test_stacked_models_are_mapped(rng):
    """stack_module_state with vmap and functional_call: an ensemble equals its members one by one."""
    nn, func = tinygrad_edu.nn, tinygrad_edu.func
    models = [nn.Linear(3, 2) for _ in range(3)]
    parameters, buffers = func.stack_module_state(models)
    x = tinygrad_edu.tensor(rng.standard_normal((4, 3)).astype(np.float32))
    call = lambda p, b, x: func.functional_call(models[0], (p, b), (x,))
    together = func.vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)
    for k, model in enumerate(models):
        assert together[k].tolist() == model(x).tolist()
    with pytest.raises(RuntimeError, match=r"missing keys \['bias', 'weight'\], unexpected keys \['w'\]"):
        func.functional_call(models[0], {"w": x}, x, strict=True)
