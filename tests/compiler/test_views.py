"""Memory that goes by several names: views are read and written as parts of their base, the rest is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.core.primitive import PRIMITIVES


def inside():
    def step(x):
        W = x * 1
        v = W[1]
        W.add_(1)
        a = v * 2
        v.mul_(3)
        W[0].copy_(v)
        return a, v, W

    return step, ()


def outside():
    W = te.ones(3, 2)
    v = W[1]

    def step(x):
        a = v + 1
        W.add_(x)
        b = v * 2
        v.mul_(3)
        W[1].sub_(1)
        return a, b, v, W * 1

    return step, (W, v)


def overlapping():
    W = te.arange(6.0)
    v, u = W[:4], W[2:]

    def step(x):
        v.add_(x.sum())
        u.mul_(2)
        W[3] = 7.0
        return v + u

    return step, (W, v, u)


def reshaped():
    """A reshape of what lies in one piece is a view, of a transpose a copy."""
    W = te.zeros(4, 3).T

    def step(x):
        a = te.ones(3, 4) * x.sum()
        a.T.reshape(-1).add_(1)
        v = a.reshape(-1)
        v[2:5].mul_(2)
        u = a.T.reshape(3, 4)
        a.add_(5)
        W.reshape(-1).add_(1)
        W.T.reshape(-1)[3:].sub_(2)
        return a, v, u

    return step, (W,)


def indexed():
    """`W[i]` is a copy, and `W[i] += v` writes it back; out= writes too."""
    W, places = te.zeros(5, 2), te.tensor([0, 3, 3])

    def step(x):
        W[places] += x
        v = W[places]
        v.mul_(2)
        W.index_add_(0, places, x)
        te.mul(W, 0.5, out=W)
        return v

    return step, (W,)


@pytest.mark.parametrize("make", [inside, outside, overlapping, reshaped, indexed])
def test_views_follow_their_base(make):
    """A write through any name is seen by all, eagerly and compiled alike."""
    (eager, kept), (step, state) = make(), make()
    step = te.compile(step)
    for k in range(5):
        x = te.ones(3, 2) * k
        expected, found = eager(x), step(x)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (expected, found)), strict=True):
            assert a.tolist() == b.tolist()
        assert [t.tolist() for t in state] == [t.tolist() for t in kept]
    assert repr(step) == "<compiled step: 1 program>"


def test_view_that_looks_elsewhere_is_noticed():
    """`v.data = ...` gives a view memory of its own."""
    W = te.ones(3, 2)
    v = W[1]
    step = te.compile(lambda x: v * x)
    assert step(te.ones(2)).tolist() == [1, 1]
    v.data = te.zeros(2)
    assert step(te.ones(2)).tolist() == [0, 0]
    W.fill_(5)
    assert step(te.ones(2)).tolist() == [0, 0]


def test_arguments_that_overlap_what_is_written_are_refused():
    """Apart they are allowed, also after a call with two that overlap; nothing has changed after the refusal."""

    def add(x, y):
        x.add_(y)
        return x * y

    step = te.compile(add)
    for _ in range(3):
        W = te.arange(12.0)
        assert step(W[:8], W[4:].clone()).tolist() == add(te.arange(8.0), te.arange(4.0, 12)).tolist()
        with pytest.raises(te.TraceError, match="shares its memory"):
            step(W[:8], W[4:])
        both = te.arange(12.0)
        with pytest.raises(te.TraceError, match="shares its memory"):
            step(both[:8], both[4:])
        assert both.tolist() == te.arange(12.0).tolist()


def test_ndarray_behind_two_tensors_is_refused():
    """from_numpy twice: a write to one changes the other."""
    array = np.ones(3, np.float32)
    a, b = te.from_numpy(array), te.from_numpy(array)
    with pytest.raises(te.TraceError, match="shares the memory"):
        te.compile(lambda: (a.add_(1), b * 2)[1])()
    step = te.compile(lambda x: (a.add_(1), x * 2)[1])
    assert step(te.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(te.TraceError, match="shares its memory"):
        step(b)
    assert array.tolist() == [2, 2, 2]


def test_a_chain_of_reshapes_is_looked_at_once(monkeypatch):
    """Whether a reshape shares memory is asked of the reshape before it, not from the beginning."""
    reshape = PRIMITIVES["reshape_to"]
    asked = []

    def counted(X, **params):
        if X.dtype == bool:  # an outline: nothing of the step's is
            asked.append(X.shape)
        return forward(X, **params)

    forward = reshape.forward
    monkeypatch.setattr(reshape, "forward", counted)

    def step(x):
        y = x * 1
        for _ in range(50):
            y = y.reshape(2, 3).reshape(3, 2)
        return y.add_(1).sum()

    x = te.ones(3, 2)
    assert te.compile(step)(x) == step(x) == 12
    assert 100 <= len(asked) <= 300  # from the beginning they would be 5,050


RESHAPES = {
    "squeeze_": lambda b: b.squeeze_(0),
    "transpose_": lambda b: b.transpose_(1, 2),
    "both": lambda b: b.squeeze_(0).t_(),
}
WRITES = {
    "base": lambda b, v, w: b.mul_(2),
    "view": lambda b, v, w: v.mul_(2),
    "other": lambda b, v, w: w.add_(1),
    "none": lambda b, v, w: None,
}


@pytest.mark.parametrize("at", [-1, 1], ids=["before", "between"])
@pytest.mark.parametrize("written", WRITES)
@pytest.mark.parametrize("reshape", RESHAPES)
def test_views_of_what_has_another_shape_now(reshape, written, at):
    """A view taken before `b.squeeze_(0)` still shows what it has shown."""
    states = []
    for compiled in (False, True):
        b = te.arange(12.0).reshape(1, 4, 3).clone()
        v, w, seen = b[0], b[:, 1:], []

        def step(x, b=b, v=v, w=w):
            WRITES[written](b, v, w)
            return v * x, w * x, b * x

        run = te.compile(step) if compiled else step
        for k in range(-1, 4):
            if k == at:
                RESHAPES[reshape](b)
            if k >= 0:
                seen.append([t.tolist() for t in (*run(te.tensor(2.0)), b, v, w)])
        states.append(seen)
    assert states[0] == states[1]


def test_a_view_that_shows_another_part_is_noticed():
    """`v.data = W[k]`: memory of the same tensor, laid out alike."""
    W = te.arange(6.0).reshape(3, 2).clone()
    v = W[0]
    step = te.compile(lambda x: v * x + W.sum())
    for k in (0, 0, 1, 2, 2, 0):
        if k:
            v.data = W.data[k]
        assert step(te.tensor(2.0)).tolist() == (v * 2 + W.sum()).tolist()


def test_parameters_that_are_parts_of_one_vector():
    """Apart from each other, they are written as others are."""
    states = []
    for compiled in (False, True):
        flat = te.arange(5.0)
        params = [te.nn.Parameter(flat[:2]), te.nn.Parameter(flat[2:])]
        optimizer = te.optim.SGD(params, lr=0.1)

        def step(x, params=params, optimizer=optimizer):
            optimizer.zero_grad()
            loss = sum((p * p * x).sum() for p in params)
            loss.backward()
            optimizer.step()
            return loss

        run = te.compile(step) if compiled else step
        states.append([[run(te.tensor(1.0 + k)).item(), flat.tolist()] for k in range(3)])
    assert states[0] == states[1]


@pytest.mark.parametrize("cut", [lambda X: X[2:4], lambda X: X.reshape(2, 4, 3)[1, :2], lambda X: X[:2].clone()])
def test_batches_are_cut_out_of_something(cut):
    """What a step writes to a view of an argument is written there, whatever the argument is a view of."""

    def step(x):
        y = x.view(-1)
        y[1:].mul_(2)
        x.add_(1)
        return y * 1, x.T * 1

    compiled = te.compile(step)
    for k in range(3):
        X, Z = (te.arange(24.0).reshape(8, 3) + k for _ in range(2))
        assert [t.tolist() for t in compiled(cut(X))] == [t.tolist() for t in step(cut(Z))]
        assert X.tolist() == Z.tolist()
    assert repr(compiled) == "<compiled step: 1 program>"


def test_out_does_not_overlap_what_is_read():
    """Refused as in eager mode, and what lies apart or is the same is not."""
    q = te.arange(9.0).reshape(3, 3)
    for read in (q.T, q[:1], q.detach().flip(0).T, q):
        results = []
        for run in (lambda f: f, te.compile):
            try:
                results.append(run(lambda read=read: te.mul(q, read, out=q).sum() * 0)().item())
            except RuntimeError as error:
                results.append(str(error)[-60:])
        assert results[0] == results[1]
    with pytest.raises(RuntimeError, match="single memory location"):
        te.compile(lambda x: te.mul(x, x.T, out=x))(q)
