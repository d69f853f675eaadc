"""Programs with writes in them, run side by side with PyTorch: the same numbers and gradients, the same refusals.

A program is text, so that one source runs with `m` = tinygrad_edu and with `m` = torch, and a failing test prints it.
Every name that holds a tensor at its end is compared, and the gradients of the leaves `w` and `u`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

# No element is 0, none is another's negative, so that no program stands on a kink of relu, abs or clamp.
START = """\
w = m.tensor([[0.3, -0.8, 1.2], [0.5, 0.9, -0.45]], dtype=m.float64, requires_grad=True)
u = m.tensor([0.7, -1.1, 0.6], dtype=m.float64, requires_grad=True)
c = m.tensor([[0.2, 0.1, -0.3], [1.4, -0.6, 0.8]], dtype=m.float64)
k = m.tensor([True, False, True])
"""


class Outcome:
    """What a program leaves behind: the numbers of its tensors and the gradients of w and u, or a refusal."""

    def __init__(self, m: Any, program: str) -> None:
        names: dict[str, Any] = {"m": m}
        self.refusal: str | None = None
        try:
            exec(START + program, names)
        except RuntimeError as error:
            self.refusal = str(error)
            return
        self.values = {
            name: np.array(x.detach().numpy())
            for name, x in names.items()
            if isinstance(x, m.Tensor) and x.dtype == m.float64
        }
        self.flags = {name: (names[name].requires_grad, names[name].is_leaf) for name in self.values}
        self.grads = {k: None if names[k].grad is None else np.array(names[k].grad.numpy()) for k in "wu"}


def assert_same(ours: Outcome, theirs: Outcome) -> None:
    assert ours.refusal is None
    assert theirs.refusal is None
    assert ours.flags == theirs.flags
    # float64 on both sides; exp, tanh and sums differ in the last bits, some programs multiply these 20 times
    for name, value in theirs.values.items():
        assert_allclose(ours.values[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    for name, grad in theirs.grads.items():
        if grad is None:
            assert ours.grads[name] is None
        else:
            assert_allclose(ours.grads[name], grad, rtol=1e-9, atol=1e-12, err_msg=f"gradient of {name}")


# What is written, through what, and what is used afterwards. Each ends in `loss`, whose backward() is appended.
PROGRAMS = {
    "iadd": "a = w * 1.5\na += u\nloss = (a * a).sum()",
    "isub": "a = w * 1.5\na -= u\nloss = (a * a).sum()",
    "imul": "a = w * 1.5\na *= u\nloss = (a * 0.7).sum()",
    "imul a number": "a = w * 1.5\na *= 3\nloss = (a * a).sum()",
    "idiv": "a = w * 1.5\na /= u\nloss = (a * 0.7).sum()",
    "ipow": "a = w * 1.5\na **= 2\nloss = (a * 0.7).sum()",
    "ipow by a tensor": "a = (w * w + 0.3) * 1\na **= u\nloss = (a * 0.7).sum()",
    "imod": "a = w * 1.5\na %= 0.37\nloss = (a * w).sum()",
    "imul itself": "a = w.sin()\na *= a.clone()\nloss = (a * 0.7).sum()",
    "mul_": "a = w * 1.5\nb = a.mul_(u)\nloss = (b * 0.7).sum() + a.sum()",
    "add_ with alpha": "a = w * 1.5\na.add_(u, alpha=3)\nloss = (a * a).sum()",
    "exp_": "a = w * 1.5\na.exp_()\nloss = (a * a).sum()",
    "tanh_": "a = w * 1.5\na.tanh_()\nloss = (a * 0.7).sum()",
    "sigmoid_": "a = w * 1.5\na.sigmoid_()\nloss = (a * 0.7).sum()",
    "relu_": "a = w * 1.5\na.relu_()\nloss = (a * a).sum()",
    "log_ sqrt_": "a = w * w + 1\na.log_().sqrt_()\nloss = (a * 0.7).sum()",
    "sin_ cos_ square_": "a = w * 1.5\na.sin_().cos_().square_()\nloss = (a * 0.7).sum()",
    "neg_ abs_": "a = w * 1.5\na.neg_().abs_()\nloss = (a * u).sum()",
    "floor_ sign_": "a = w * 1.5\na.floor_()\nb = w * 2\nb.sign_()\nloss = (a * u).sum() + (b * u).sum()",
    "expm1_ log1p_": "a = w * w\na.log1p_().expm1_()\nloss = (a * u).sum()",
    "clamp_": "a = w * 1.5\na.clamp_(-0.5, 0.7)\nloss = (a * u).sum()",
    "clamp_ by tensors": "a = w * 1.5\na.clamp_(min=u - 0.2)\nloss = (a * u).sum()",
    "clamp_min_ clamp_max_": "a = w * 1.5\na.clamp_min_(-0.5).clamp_max_(0.7)\nloss = (a * u).sum()",
    "zero_": "a = w * 1.5\nb = a * 2\na.zero_()\nloss = a.sum() + b.sum()",
    "fill_": "a = w * 1.5\na.fill_(2.0)\nloss = (a * u).sum()",
    "fill_ with a tensor": "a = w * 1.5\na.fill_(u[0])\nloss = (a * w).sum()",
    "copy_": "a = w * 1.5\nb = a.sin()\na = a.clone()\na.copy_(u)\nloss = (a * w).sum() + b.sum()",
    "copy_ from another dtype": "a = w * 1.5\na.copy_(u.float())\nloss = (a * a).sum()",
    "copy_ of a number": "a = w * 1.5\na[0].copy_(m.tensor(2.0, dtype=m.float64))\nloss = (a * u).sum()",
    "an int": "a = w * 1.5\na[0] = u\nloss = (a * a).sum()",
    "a negative int": "a = w * 1.5\na[-1] = u\nloss = (a * a).sum()",
    "an element": "a = w * 1.5\na[1, 2] = u[0] * 2\nloss = (a * a).sum()",
    "a constant": "a = w * 1.5\na[0] = 0.4\nloss = (a * a).sum()",
    "a row from a row": "a = w * 1.5\na[0] = a[1]\nloss = (a * a).sum()",
    "a slice": "a = w * 1.5\na[:, 1:] = u[:2]\nloss = (a * a).sum()",
    "a slice with a step": "a = w * 1.5\na[:, ::2] = u[1:]\nloss = (a * a).sum()",
    "a value that broadcasts": "a = w * 1.5\na[:, :] = u[0]\nloss = (a * a).sum()",
    "a value with axes of length 1 in front": "a = w * 1.5\na[0] = u[None, None]\nloss = (a * a).sum()",
    "an empty slice": "a = w * 1.5\na[2:] = u\nloss = (a * a).sum()",
    "all": "a = w * 1.5\na[...] = u\nloss = (a * a).sum()",
    "None": "a = w * 1.5\na[None, 0] = u\nloss = (a * a).sum()",
    "an ellipsis": "a = w * 1.5\na[..., 0] = u[:2]\nloss = (a * a).sum()",
    "an index array": "a = w * 1.5\na[m.tensor([1])] = u\nloss = (a * a).sum()",
    "a list": "a = u * 1.5\na[[2, 0]] = w[0, :2]\nloss = (a * a).sum()",
    "negative indices": "a = u * 1.5\na[[-1, 0]] = w[0, :2]\nloss = (a * a).sum()",
    "two index arrays": "a = w * 1.5\na[[0, 1], [2, 0]] = u[:2]\nloss = (a * a).sum()",
    "index arrays that broadcast": "a = w * 1.5\na[[[0], [1]], [0, 2]] = u[:2]\nloss = (a * a).sum()",
    "an index array behind a slice": "a = w * 1.5\na[:, [2, 0]] = u[:2]\nloss = (a * a).sum()",
    "an index array beside an int": "a = w * 1.5\na[0, [2, 0]] = u[:2]\nloss = (a * a).sum()",
    "a 0-d index": "a = w * 1.5\na[m.tensor(1)] = u\nb = a[m.tensor(0)]\nb *= u\nloss = (a * a).sum()",
    "a mask": "a = w * 1.5\na[a > 0] = 0.3\nloss = (a * u).sum()",
    "a mask and a tensor": "a = w * 1.5\na[a > 0.4] = w[a > 0.4]\nloss = (a * a).sum()",
    "a mask of rows": "a = w * 1.5\na[m.tensor([False, True])] = u\nloss = (a * a).sum()",
    "a mask of columns": "a = w * 1.5\na[:, k] = u[:2]\nloss = (a * a).sum()",
    "a mask of nothing": "a = w * 1.5\na[a > 100] = 0.3\nloss = (a * a).sum()",
    "a mask on a number": "a = u.sum()\na[a > 0] = u[1]\nloss = a * 3",
    "one boolean": "a = u * 1.5\na[True] = w[0]\na[False] = 7.0\nloss = (a * a).sum()",
    "iadd on an element": "a = w * 1.5\na[0, 1] += u[0]\nloss = (a * a).sum()",
    "imul on a slice": "a = w * 1.5\na[:, 1:] *= u[:2]\nloss = (a * 0.7).sum()",
    "iadd on an index array": "a = w * 1.5\na[[1, 0], [0, 0]] += u[:2]\nloss = (a * a).sum()",
    "imul on a mask": "a = w * 1.5\na[a > 0] *= 2\nloss = (a * a).sum()",
    "a view": "a = w * 1.5\nb = a[0]\nb += u\nloss = (a * a).sum()",
    "a view of a view": "a = w * 1.5\na[0][1:] += u[:2]\nloss = (a * a).sum()",
    "a view of a view of a view": "a = w * 1.5\na.T[1:].T[0][:1].mul_(u[0])\nloss = (a * a).sum()",
    "a transpose": "a = w * 1.5\na.T[0] = u[:2]\nloss = (a * a).sum()",
    "a flat view": "a = w * 1.5\na.reshape(-1)[2] = u[0]\na.view(-1)[3] = u[1]\nloss = (a * a).sum()",
    "a reshape that copies": "a = w * 1.5\nb = a.T.reshape(-1)\nb[2] = u[0]\nloss = (a * a).sum() + b.sum()",
    "squeeze, unsqueeze": "a = w * 1.5\na.unsqueeze(1).squeeze(1)[0] *= u\nloss = (a * a).sum()",
    "permute, flatten": "a = w * 1.5\na.permute(1, 0)[2] += u[1]\na.flatten()[0] = u[2]\nloss = (a * a).sum()",
    "an expand that repeats nothing": "a = u * 1.5\na.expand(1, 3).mul_(w[:1])\nloss = (a * a).sum()",
    "base and view afterwards": "a = w * 1.5\nb = a[0]\nb *= u\nloss = (a * a).sum() + (b * 3).sum() + (b * a).sum()",
    "view after a write to the base": "a = w * 1.5\nb = a[0]\na *= 2\nloss = (b * b).sum()",
    "view after two writes to the base": "a = w * 1.5\nb = a.T[1:]\na *= 2\na += u\nloss = (b * b).sum()",
    "view after a write through another view": "a = w * 1.5\nb = a[0]\nd = a.T\nd[1] = u[:2]\nloss = (b * b).sum() + d.sum()",
    "writes through two views": "a = w * 1.5\nb = a[0]\nd = a[:, 0]\nb *= u\nd *= 5\nloss = (a * b).sum() + (d * d).sum()",
    "views made before and after": "a = w * 1.5\nb = a[0]\nb *= u\nd = b[1:]\nd += 1\nloss = (a * a).sum() + b.sum() + d.sum()",
    "a use between writes": "a = w * 1.5\nb = a + 1\na *= u\nd = a + 2\na += 3\nloss = (b * 2).sum() + (d * 3).sum() + (a * a).sum()",
    "a use of a view between writes": "a = w * 1.5\nb = a[0] * 2\na[0] = u\nd = a[0] * 3\nloss = (b * d).sum() + a.sum()",
    "a constant that comes to require grad": "a = m.zeros(3, dtype=m.float64)\na[0] = w[0, 1]\nloss = (a * u).sum()",
    "a constant filled in a loop": "a = m.zeros(3, dtype=m.float64)\nfor i in range(3): a[i] = w[0, i] * u[i]\nloss = (a * a).sum()",
    "a constant's view": "a = m.zeros(2, 3, dtype=m.float64)\nb = a[1]\nb += u\nloss = (a * w).sum()",
    "a constant's view, made before": "a = m.zeros(2, 3, dtype=m.float64)\nb = a.T\na[0] = u\nloss = (b.T * w).sum()",
    "a constant's iadd": "c += w\nloss = (c * u).sum()",
    "a constant's imul": "c *= w\nloss = (c * u).sum()",
    "a running sum": "a = m.zeros(3, dtype=m.float64)\nfor i in range(4): a += (u * w[i % 2]).sin()\nloss = (a * a).sum()",
    "a running product": "a = u * 1\nfor i in range(4): a *= w[i % 2]\nloss = a.sum()",
    "a view of a constant in an expression": "a = m.zeros(4, dtype=m.float64)\na[:3] = u\na[1:] += a[:3].clone() * 2\nloss = (a * a).sum()",
    "detach shares memory": "a = w * 1.5\nd = a.detach()\nd += 1\nloss = (a * 0.7).sum()",
    "no_grad": "a = w * 1.5\nwith m.no_grad(): a *= 2\nloss = (a * 0.7).sum()",
    "no_grad on a view": "a = w * 1.5\nwith m.no_grad(): a[0] = 5.0\nloss = (a * 0.7).sum()",
    "no_grad on a leaf": "with m.no_grad():\n    w -= 0.1\n    w[0] = 0.2\n    w.mul_(3)\nloss = (w * w).sum()",
    "no_grad on a leaf, then a step": "loss = (w * w).sum()\nloss.backward()\nwith m.no_grad(): w -= 0.1 * w.grad\nw.grad = None\nloss = (w * w).sum()",
    "data": "w.data *= 2\nw.data[0] = 0.3\nloss = (w * w).sum()",
    "detach on a leaf": "w.detach().zero_()\nloss = (w * w).sum()",
    "data replaced": "w.data = w.data * 2\nloss = (w * w).sum()",
    "a write before requires_grad_": "c[0] = 0.1\nc.requires_grad_()\nloss = (c * w).sum()",
    "frozen and thawed": "a = w * u\nw.requires_grad_(False)\nw.requires_grad_(True)\nloss = (a * a).sum()",
    "detached and written with a graph": "a = w * 1.5\nd = a.detach()\nd *= u\nloss = d.sum() + a.sum()",
    "a result that a rule reads, moved": "a = w * 1.5\nb = a[0]\nb.exp_()\nloss = (a * a).sum()",
    "relu_ on a view": "a = w * 1.5\na[:, 1:].relu_()\nloss = (a * a).sum()",
    "dtype of the target": "a = (w * 0 + 0.5).float()\na *= u * 0 + 2\nloss = (a * a).sum().double()",
    "a 0-d target": "a = u.sum()\na *= w[0, 0]\na += 1\nloss = a * a",
    "an int target": "i = m.tensor([1, 2, 3])\ni += 2\ni[0] = 7\ni *= i\na = u * i\nloss = (a * a).sum()",
    "a bool target": "b = m.tensor([True, True, False])\nb[0] = False\na = m.where(b, u, w)\nloss = (a * a).sum()",
    "retain_graph": "a = w * 1.5\na += u\nloss = (a * a).sum()\nloss.backward(retain_graph=True)",
    "a gradient that is written": "(w * w).sum().backward()\nw.grad.zero_()\nw.grad += 1\nloss = (w * u).sum()",
    "T of one axis": "a = u * 1\na[1:] = w[0, 0]\na[:1].exp_()\nloss = (a * a).sum()",
    "a hook on what is written": "a = w * 1.5\nh = a.register_hook(lambda g: g * 10)\na *= 2\nloss = (a * a).sum()",
    "a hook after the write": "a = w * 1.5\na *= 2\nh = a.register_hook(lambda g: g * 10)\nloss = (a * a).sum()",
    "retain_grad moves on": "a = w * 1.5\na.retain_grad()\na *= 2\nloss = (a * a).sum()\nloss.backward(retain_graph=True)\ng = a.grad",
    "retain_grad of a view moves on": "a = w * 1.5\nb = a[0]\nb.retain_grad()\na *= 2\nloss = (b * b).sum()\nloss.backward(retain_graph=True)\ng = b.grad",
    "create_graph": "a = w * 1.5\na *= u\n(g,) = m.autograd.grad((a * a * a).sum(), w, create_graph=True)\ng[0] = 0.5\nloss = (g * g).sum()",
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_with_writes_gives_pytorchs_numbers(name):
    """The same source with both modules: equal values, gradients, requires_grad and is_leaf."""
    program = PROGRAMS[name] + "\nloss.backward()"
    assert_same(Outcome(tinygrad_edu, program), Outcome(torch, program))


REFUSED = {
    "a leaf, iadd": "w += 1",
    "a leaf, mul_": "w.mul_(u)",
    "a leaf, setitem": "w[0] = 1.0",
    "a leaf, index array": "w[[0, 1], [0, 2]] = 1.0",
    "a leaf, mask": "w[w > 0] = 1.0",
    "a leaf, zero_": "w.zero_()",
    "a leaf, copy_": "w.copy_(c)",
    "a leaf, view": "w[0].zero_()",
    "a leaf, view of a view": "w.T[0][1:] += 1",
    "a leaf, constant's view": "b = c[0]\nc.requires_grad_()\nb += 1",
    "an input of mul": "a = w * 1.5\nb = a * u\na += 1\nb.sum().backward()",
    "an input of matmul": "a = w * 1.5\nb = a @ u\na[0, 0] = 1.0\n(b * b).sum().backward()",
    "a result of exp": "a = w.exp()\na += 1\na.sum().backward()",
    "a result of tanh, through a view": "a = w.tanh()\na[0].zero_()\na.sum().backward()",
    "a result of exp_": "a = w * 0.5\na.exp_().exp_()\na.sum().backward()",
    "a result of sigmoid_": "a = w * 1.5\na.sigmoid_().relu_()\na.sum().backward()",
    "a result of sqrt_": "a = w * w\na.sqrt_().log_()\na.sum().backward()",
    "a result of relu": "a = w.relu()\na *= 2\na.sum().backward()",
    "an input, through a view": "a = w * 1.5\nb = a.sin()\na.T[0] += 1\nb.sum().backward()",
    "an input, through its base": "a = w * 1.5\nv = a[0]\nb = v.sin()\na += 1\nb.sum().backward()",
    "an input, through a sibling view": "a = w * 1.5\nb = a[0].sin()\na[1] = 0.5\nb.sum().backward()",
    "an input, under no_grad": "a = w * 1.5\nb = a.sin()\nwith m.no_grad(): a += 1\nb.sum().backward()",
    "an input, through detach": "a = w * 1.5\nb = a.sin()\na.detach().zero_()\nb.sum().backward()",
    "a constant": "b = w * c\nc += 1\nb.sum().backward()",
    "a mask": "b = m.where(k, u, w)\nk[0] = False\nb.sum().backward()",
    "a parameter, updated before backward": "b = (w * u).sum()\nwith m.no_grad(): w -= 0.1\nb.backward()",
    "a parameter, updated between two backwards": "b = (w * u * w).sum()\nb.backward(retain_graph=True)\nwith m.no_grad(): w -= 0.1\nb.backward()",
    "a view made under no_grad": "a = w * 1.5\nwith m.no_grad(): v = a[0]\na *= 2\nloss = (v * 2).sum()\nloss.backward()",
    "a view made under no_grad, written": "a = w * 1.5\nwith m.no_grad(): v = a[0]\nv *= 2",
    "an expanded tensor": "a = (u[:1] * 2).expand(3)\na += 1",
    "a larger value": "a = u * 1\na += w",
    "a larger value, setitem": "a = u * 1\na[0] = w",
    "a float into an int": "i = m.tensor([1, 2])\ni *= 1.5",
    "fill_ with several numbers": "a = u * 1\na.fill_(u)",
    "the gradient's own graph": "a = w * w * w\n(g,) = m.autograd.grad(a.sum(), w, create_graph=True)\nwith m.no_grad(): w += 1\n(g * w).sum().backward()",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused(name):
    """Both raise RuntimeError: a leaf written, a saved value overwritten, a result that doesn't fit."""
    assert Outcome(torch, REFUSED[name]).refusal is not None
    assert Outcome(tinygrad_edu, REFUSED[name]).refusal is not None


# PyTorch runs these: the first group with a gradient that is wrong, for it counts no write through .data.
STRICTER = {
    "a saved input": "a = w * 1.5\nb = (a * a).sum()\na.data[0] = 100.0\nb.backward()",
    "a saved result": "a = w.exp()\na.data.zero_()\na.sum().backward()",
    "a saved parameter": "b = (w * u).sum()\nw.data.mul_(2)\nb.backward()",
    "data replaced": "b = (w * u).sum()\nw.data = w.data * 2\nb.backward()",
    "an element of an expanded tensor": "a = (u[:1] * 2).expand(3)\na[0] = 1.0\na.sum().backward()",
}  # fmt: skip


@pytest.mark.parametrize("name", STRICTER)
def test_refused_though_pytorch_goes_on(name):
    """Writes through .data count, and an expanded tensor is never written: stricter than PyTorch."""
    assert Outcome(torch, STRICTER[name]).refusal is None
    assert Outcome(tinygrad_edu, STRICTER[name]).refusal is not None


# PyTorch refuses these, or is wrong; each stands beside the same computation without a write.
KINDER = {
    "a value times itself": ("a = w.sin()\na *= a", "a = w.sin()\na = a * a"),
    "one part by another": ("a = w * 1.5\na[0] *= a[1]", "a = w * 1.5\na = m.stack([a[0] * a[1], a[1]])"),
    "a shifted copy": ("a = u * 1.5\na[1:] = a[:-1]", "a = u * 1.5\na = m.stack([a[0], a[0], a[1]])"),
    "a place named twice": ("a = u * 1.5\na[[1, 1]] = w[0, :2]", "a = u * 1.5\na = m.stack([a[0], w[0, 1], a[2]])"),
    "a place named twice, once from behind": (
        "a = u * 1.5\na[[2, -1]] = w[0, :2]",
        "a = u * 1.5\na = m.stack([a[0], a[1], w[0, 1]])",
    ),
}


@pytest.mark.parametrize("name", KINDER)
def test_accepted_though_pytorch_is_not(name):
    """Where PyTorch refuses, or gives a gradient to a number that was lost, ours is that of the program without writes."""
    written, plain = KINDER[name]
    end = "\nloss = (a * a).sum() + (w * 0).sum() + (u * 0).sum()\nloss.backward()"
    ours, theirs = Outcome(tinygrad_edu, written + end), Outcome(torch, plain + end)
    assert_allclose(ours.values["a"], theirs.values["a"], rtol=1e-12)  # one rounding per product
    for leaf in "wu":
        assert_allclose(ours.grads[leaf], theirs.grads[leaf], rtol=1e-12)


# What a rule reads may not be written between forward and backward. a, b: float inputs; y: the result; k, j, t:
# a mask, indices along axis 1, labels. Where the two libraries save different arrays the row says so.
SAVED: dict[str, dict[str, str]] = {
    **{
        f"a.{f}()": {}
        for f in (
            *("exp", "log", "sin", "cos", "tanh", "sigmoid", "relu", "sqrt", "square", "abs", "neg", "expm1"),
            *("log1p", "floor", "sign", "clone", "sum", "mean", "amax", "amin", "max", "min", "var", "std"),
        )
    },
    "a + b": {},
    "a - b": {},
    "a * b": {},
    "a / b": {"a": "kinder"},
    "a / 2.0": {},
    "a ** b": {"y": "kinder: PyTorch keeps the result, needed or not"},
    "a ** 2": {},
    "a ** 0.5": {},
    "2.0 ** a": {},
    "m.maximum(a, b)": {},
    "m.minimum(a, b)": {},
    "m.clamp(a, 0.4, 0.9)": {},
    "m.clamp(a, b, b + 1)": {},
    "m.where(k, a, b)": {},
    "a.sum(0)": {},
    "a.mean(1)": {},
    "a.amax(1)": {},
    "a.max(1).values": {},
    "a.var(1)": {},
    "a.std(1)": {},
    "a.logsumexp(1)": {},
    "a.softmax(1)": {},
    "a.log_softmax(1)": {},
    "a @ b.T": {},
    "a @ b[0]": {},
    "a[0].dot(b[1])": {},
    "m.cat([a, b])": {},
    "m.stack([a, b])": {},
    "a[:, [0, 2]]": {},
    "a[a > 0.4]": {},
    "a[k]": {"k": "kinder: the places are found at once"},
    "a.T": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "needed"),
    [(f, n) for f in SAVED for n in ("a", "b", "ab") if n == "a" or "b" in f.replace("abs", "")],
)
def test_same_values_may_be_written_afterwards(operation, needed):
    """A write to an operand or to the result is refused at backward exactly where PyTorch refuses it."""
    for written in "abyk":
        if written in "bk" and written not in operation.replace("abs", ""):
            continue
        program = "\n".join(
            [
                f"a = m.tensor([[0.3, 0.8, 1.2], [0.5, 0.9, 0.45]], dtype=m.float64, requires_grad={'a' in needed}) * 1",
                f"b = m.tensor([[0.7, 0.2, 0.6], [1.1, 0.4, 0.9]], dtype=m.float64, requires_grad={'b' in needed}) * 1",
                "k = m.tensor([[True, False, True], [False, True, True]])",
                f"y = {operation}",
                "with m.no_grad(): " + ("k.fill_(True)" if written == "k" else f"{written}.add_(0.0)"),
                "y.sum().backward()",
            ]
        )
        ours, theirs = Outcome(tinygrad_edu, program).refusal, Outcome(torch, program).refusal
        if (ours is None) != (theirs is None):
            assert SAVED[operation].get(written, "").startswith("kinder" if ours is None else "stricter"), (
                written,
                ours,
            )


# --- programs made at random

NEW = ["sin", "tanh", "sigmoid", "relu", "exp", "neg", "square", "clone", "cos"]
IN_PLACE = [
    *("sin_()", "cos_()", "tanh_()", "sigmoid_()", "relu_()", "exp_()", "neg_()", "abs_()", "square_()", "zero_()"),
    *("fill_(0.4)", "clamp_(-0.5, 0.5)", "mul_(1.3)", "add_(0.2)", "sub_(0.1)", "div_(1.7)", "pow_(2)"),
]
VIEW = {
    0: [".reshape(1)", "[None]", "[...]", ".unsqueeze(0)", ".detach()"],
    1: [
        *("[0]", "[-1]", "[1:]", "[:2]", "[::2]", "[None]", "[...]", ".reshape(-1)", ".view(-1)", ".unsqueeze(1)"),
        *(".squeeze()", ".detach()"),
    ],
    2: [
        *("[0]", "[-1]", "[:, 0]", "[:, 1:]", "[1:]", "[0:1]", ".T", ".mT", ".reshape(-1)", ".reshape(3, 2)"),
        *(".transpose(0, 1)", "[None]", "[..., -1]", ".T.reshape(-1)", ".T[0]", "[0][1:]", "[:, ::2]", ".detach()"),
        *(".unsqueeze(0)", ".permute(1, 0)", ".flatten()", ".view(-1)"),
    ],
    3: ["[0]", "[:, 0]", ".squeeze()", "[..., 0]", ".reshape(-1)", ".flatten(1)", ".permute(2, 0, 1)"],
}
INDEX = {
    0: ["...", "()"],
    1: ["0", "-1", "1:", ":2", "::2", "...", "None", "[0, 2]", "[-1, 0]", "m.tensor([2, 0])", "m.tensor(1)", "k"],
    2: [
        *("0", "-1", "0, 1", ":, 0", "..., -1", "1:", ":, 1:", ":, ::2", "None, 0", "[0, 1], [2, 0]", "[1]"),
        *(":, [0, 2]", "m.tensor([True, False])", "0, [0, 1]", "[[0], [1]], [0, 2]", "[-1, 0], [0, -1]", ":, k"),
    ],
    3: ["0", "..., 0", ":, 0"],
}
TWO = ["m.maximum({v}, {o})", "m.minimum({o}, {v})", "m.clamp({v}, {o}, 0.9)", "{v} / ({o} * {o} + 1)", "{v} * {o}",
       "{v} + {o}", "{v} - {o}", "({v} * {v} + 0.5).sqrt()", "m.where(k, {v}, {o})", "m.where(k, {v}, 0.3)"]  # fmt: skip
REDUCED = ["{v}.sum()", "{v}.sum(0)", "{v}.mean(-1)", "{v}.amax(-1)", "{v}.max(0).values", "{v}.std(0)", "{v} @ {v}.mT",
           "m.softmax({v}, -1)", "m.logsumexp({v}, -1)", "m.cat([{v}, {v}])", "m.stack([{v}, {v}])[0]"]  # fmt: skip
UNRECORDED = ["with m.no_grad(): {v} *= 0.5", "with m.no_grad(): {v} += 0.5", "{v}.detach().{f}", "{v}.data.{f}"]


def random_program(rng: np.random.Generator) -> tuple[str, str]:
    """A program of 3 to 8 statements that PyTorch can run up to where it refuses; and the same with operands cloned.

    PyTorch refuses `a *= a`, for the old a is overwritten, but not `a *= a.clone()`, which is the same computation.
    """
    names: dict[str, Any] = {"m": torch}
    exec(START + "a = w * 1.5", names)
    plain, cloned = ["a = w * 1.5"], ["a = w * 1.5"]
    tensors = ["w", "u", "c", "a"]

    def pick(options: Any) -> str:
        return str(rng.choice(list(options)))

    def fitting(shape: Any) -> list[str]:
        return [x for x in tensors if _broadcasts(names[x].shape, shape)]

    wanted = 3 + int(rng.integers(6))
    while len(plain) <= wanted:
        v = pick(tensors)
        t = names[v]
        o = pick(fitting(t.shape))
        new = f"t{len(tensors) - 4}"
        kind = pick(["one", "view", "view", "two", "many", "op=", "op=", "f_", "copy_", *["x[i]"] * 3, "unrecorded"])
        change = ""
        if kind == "one":
            line = f"{new} = {v}.{pick(NEW)}()"
        elif kind == "view":
            line = f"{new} = {v}{pick(VIEW[t.ndim])}"
        elif kind in ("two", "many"):
            line = f"{new} = " + pick(TWO if kind == "two" else REDUCED).format(v=v, o=o)
        elif kind == "op=":
            line, change = f"{v} {pick(['*=', '+=', '-='])} {o}", o
        elif kind == "f_":
            line = f"{v}.{pick(IN_PLACE)}"
        elif kind == "copy_":
            line, change = f"{v}.copy_({o})", o
        elif kind == "unrecorded":
            line = pick(UNRECORDED).format(v=v, f=pick(IN_PLACE))
        else:
            place = f"{v}[{pick(INDEX[t.ndim])}]"
            try:
                region = eval(place, names)
            except IndexError:
                continue
            value = pick(["0.3", "1.5", *fitting(region.shape) * 2])
            line, change = f"{place} {pick(['=', '=', '+=', '*='])} {value}", value
            if rng.random() < 0.2:
                line, change = f"{place}.{pick(IN_PLACE)}", ""
        copied = line
        if change in tensors:
            copied = line.replace(f"({o})", f"({o}.clone())") if kind == "copy_" else f"{line}.clone()"
            if _overlap(t, names[change]):  # PyTorch's loops then read what they have just written
                line = copied
        try:
            exec(line, names)
        except RuntimeError:  # mostly a leaf, or a view of one: kept as the end of some programs only
            if rng.random() < 0.85 or change == "" and kind != "f_":
                continue
            return "\n".join([*plain, line]), "\n".join([*cloned, copied])
        except (IndexError, ValueError, TypeError):
            continue
        if new in names:
            if names[new].ndim > 3 or not names[new].is_floating_point():
                del names[new]
                continue
            tensors.append(new)
        plain.append(line)
        cloned.append(copied)
    terms = [f"({x} * {0.3 + 0.2 * i:.1f}).sum()" for i, x in enumerate(tensors) if rng.random() < 0.7]
    end = ["loss = " + " + ".join([*terms, "(w * 0).sum()", "(u * 0).sum()"]), "loss.backward()"]
    return "\n".join([*plain, *end]), "\n".join([*cloned, *end])


def _broadcasts(shape: Any, target: Any) -> bool:
    try:
        return bool(torch.broadcast_shapes(shape, target) == tuple(target))
    except RuntimeError:
        return False


def _overlap(a: Any, b: Any) -> bool:
    a, b = a.detach(), b.detach()
    same = a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()
    return not same and np.shares_memory(a.numpy(), b.numpy())


@pytest.mark.parametrize("seed", range(500))
def test_random_program_is_never_silently_different(seed):
    """Equal to PyTorch, or refused by both; refused by ours alone only where it writes through .data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's about .T of vectors and std of one element
        program, cloned = random_program(np.random.default_rng(seed))
        ours, theirs = Outcome(tinygrad_edu, program), Outcome(torch, program)
        if theirs.refusal is not None and ours.refusal is None:
            theirs = Outcome(torch, cloned)
    if ours.refusal is not None:
        assert theirs.refusal is not None or ".data." in program, f"{program}\n{ours.refusal}"
    else:
        assert theirs.refusal is None, f"{program}\n{theirs.refusal}"
        assert_same(ours, theirs)
