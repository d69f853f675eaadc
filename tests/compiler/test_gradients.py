"""`.grad` that is a tensor by another name too: an argument, a buffer, a part of one vector, another's gradient."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te


def assert_alike(make, calls=6):
    """The step that `make` gives, its tensors, its arguments and what changes between calls: as in eager mode."""
    states = []
    for compiled in (False, True):
        step, tensors, given, change = make()
        run, seen = te.compile(step) if compiled else step, []
        for k in range(calls):
            result = run(*given(k))
            for after in (lambda k: None, change):
                after(k)
                found = [result, *tensors, *(t.grad for t in tensors)]
                seen.append([None if t is None else t.tolist() for t in found])
        states.append(seen)
    assert states[0] == states[1]


def accumulate(w, *others):
    def step(x):
        (sum((t * t for t in others), w * w) * x).sum().backward()
        return w.grad.sum()

    return step


@pytest.mark.parametrize("order", ["agaa", "agga", "aaga", "agaag"])
def test_an_argument_is_the_gradient_at_some_calls(order):
    """A program for `step(w.grad)` is none for other arguments, nor the reverse."""

    def make():
        w = te.ones(2, requires_grad=True)

        def given(k):
            return (w.grad if order[k] == "g" else te.ones(2) * (k + 1),)

        return accumulate(w), [w], given, lambda k: None

    assert_alike(make, len(order))


CHANGES = {
    "none": lambda w, k: setattr(w, "grad", None if k == 2 else w.grad),
    "another": lambda w, k: setattr(w, "grad", te.ones(2) * k),
    "copied": lambda w, k: setattr(w, "grad", w.grad.clone()),
    "the same memory": lambda w, k: setattr(w, "grad", w.grad[:]),
    "the same": lambda w, k: w.grad.mul_(0.5),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["part", "buffer", "shared", "of NumPy"])
def test_a_gradient_with_another_name_is_replaced(kind, change):
    """The other name's memory is not taken for the gradient any more, and keeps its numbers."""

    def make():
        w, v, b = te.ones(2, requires_grad=True), te.ones(2, requires_grad=True), te.zeros(4)
        if kind == "part":
            w.grad, v.grad = b[:2], b[2:]
        elif kind == "buffer":
            b = w.grad = te.zeros(2)
        elif kind == "shared":
            b = w.grad = v.grad = te.zeros(2)
        else:
            b = te.from_numpy(np.zeros(2, "f"))
            w.grad = te.from_numpy(b.numpy())

        def step(x):
            result = accumulate(w, v)(x)
            with te.no_grad():
                b.mul_(0.5)
            return result

        return (
            step if kind == "buffer" else accumulate(w, v),
            [w, v, b],
            lambda k: (te.ones(2) * (k + 1),),
            lambda k: CHANGES[change](w, k),
        )

    assert_alike(make)


LEFT = {
    "a buffer": lambda w, v, b, x: setattr(w, "grad", b),
    "a part of a buffer": lambda w, v, b, x: setattr(w, "grad", b[:]),
    "a buffer, detached": lambda w, v, b, x: setattr(w, "grad", b.detach()),
    "an argument": lambda w, v, b, x: setattr(w, "grad", x),
    "one for two": lambda w, v, b, x: (setattr(w, "grad", x * 2), setattr(v, "grad", w.grad)),
    "another's": lambda w, v, b, x: ((v * x).sum().backward(), setattr(w, "grad", v.grad)),
    "written after": lambda w, v, b, x: left_and_written(w, x * 2),
    "other memory": lambda w, v, b, x: other_memory(w, b),
    "exchanged": lambda w, v, b, x: ((v * x + w).sum().backward(), exchange(w, v)),
}


def left_and_written(w, y):
    w.grad = y.detach()
    y.add_(1)


def other_memory(w, b):
    if w.grad is not None:
        w.grad.data = w.grad.data * 0.5
        b.copy_(w.grad)
    w.grad = w.detach() * 2


def exchange(w, v):
    w.grad, v.grad = v.grad, w.grad


@pytest.mark.parametrize("name", LEFT)
def test_a_gradient_is_left_with_another_name(name):
    """What is written to one is seen in the other."""

    def make():
        w, v, b = te.ones(2, requires_grad=True), te.ones(2, requires_grad=True), te.ones(2)
        x = te.ones(2) * 3

        def step(x):
            LEFT[name](w, v, b, x)
            return (w.detach() + b).sum()

        def change(k):
            w.grad.add_(k)
            b.mul_(2)
            x.add_(1)

        return step, [w, v, b, x], lambda k: (x,), change

    assert_alike(make)


def test_what_the_step_does_not_compute_with_is_left():
    """A tensor from outside that becomes a gradient, and nothing else."""
    w, b = te.ones(2, requires_grad=True), te.ones(2)
    step = te.compile(lambda: setattr(w, "grad", b))
    for _ in range(2):
        step()
        assert w.grad is b
    with pytest.raises(te.TraceError, match=r"test_gradients\.py:\d+: .*has given to x as well; take y\.clone"):
        te.compile(lambda x: (setattr(b, "data", x * 2), setattr(w, "grad", b.detach())))(te.ones(2))


def test_what_a_replaced_gradient_was_is_written():
    """`w.grad = w.grad * 2` after backward() has added to a tensor that is a buffer, too."""

    def make():
        w, b = te.ones(2, requires_grad=True), te.ones(2)

        def step(x):
            (w * x).sum().backward()
            w.grad = w.grad * 2
            return w.grad.sum()

        def change(k):
            w.grad = b

        w.grad = b
        return step, [w, b], lambda k: (te.ones(2) * k,), change

    assert_alike(make)


def test_gradients_of_another_layout_are_summed_as_they_lie(rng):
    """The norm of one in Fortran order."""
    numbers = rng.standard_normal((37, 53)).astype("f")
    results = []
    for compiled in (False, True):
        w = te.zeros(37, 53, requires_grad=True)

        def step(w=w):
            return w.grad.sum(), (w.grad * w.grad).sum()

        run = te.compile(step) if compiled else step
        results.append([])
        for k in range(12):
            w.grad = te.from_numpy(np.array(numbers**k, order="CF"[k % 2]))
            results[-1].append([t.item() for t in run()])
    assert results[0] == results[1]
