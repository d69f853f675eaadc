"""What a tensor's new value is computed from lies in the tensor as soon as nothing reads its old value."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F


def both(make, *args, calls=3):
    """Eager and compiled steps from the same start: the same results and the same state. Returns the program."""
    (state, step), (compiled_state, compiled) = make(), make()
    compiled = te.compile(compiled)
    for _ in range(calls):
        results = step(*args), compiled(*args)
        for eager, found in zip(*results, strict=True):
            assert eager.numpy().tobytes() == found.numpy().tobytes()
        for eager, found in zip(state, compiled_state, strict=True):
            assert eager.numpy().tobytes() == found.numpy().tobytes()
    return compiled.source[compiled.source.index("def step") :]


def stateful(update):
    """A step that updates one tensor M (8, 8)."""

    def make():
        te.manual_seed(0)
        M = te.randn(8, 8)

        def step(X):
            return [M.copy_(update(M, X)).sum()]

        return [M], step

    return make


X = te.tensor(np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8))


def test_average():
    """beta M + (1 - beta) X: the first term takes M's place."""
    source = both(stateful(lambda M, X: 0.9 * M + 0.1 * X), X)
    assert source.count("out=M)") == 2


def test_several_on_the_way():
    """A chain that begins with the old value lies there altogether."""
    source = both(stateful(lambda M, X: ((M * 0.9 + X) * 0.5).tanh()), X)
    assert source.count("out=M)") == 4


@pytest.mark.parametrize(
    ("update", "stored"),
    [
        pytest.param(lambda M, X: M @ X + X, 1, id="product"),  # can't overwrite what it reads
        pytest.param(lambda M, X: M.T * 0.9 + X, 1, id="transposed"),
        pytest.param(lambda M, X: 0.9 * M + M.T, 0, id="read again"),
        pytest.param(lambda M, X: 0.9 * M + M * M, 2, id="read twice"),
        pytest.param(lambda M, X: twice(0.9 * M, lambda part: part + part.T), 1, id="also transposed"),
        pytest.param(lambda M, X: M.sum(0) * 0.9 + X, 1, id="smaller"),
        pytest.param(lambda M, X: (M.double() * 0.9 + X.double()).float(), 0, id="wider"),
        pytest.param(lambda M, X: (M > 0) * X + X, 2, id="mask"),
    ],
)
def test_what_must_not_lie_there_does_not(update, stored):
    """The numbers are eager's wherever an intermediate result has to have memory of its own."""
    assert both(stateful(update), X).count("out=M)") == stored


def twice(part, use):
    return use(part)


@pytest.mark.parametrize("dtype", [te.float32, te.int8])  # int8 takes as much room as a bool, and is none
def test_numbers_do_not_lie_in_a_mask(dtype):
    """What a mask is computed from is of another dtype."""

    def make():
        M = te.zeros(8, 8).bool()

        def step(X):
            return [M.copy_(X * 2 > X + 1).sum()]

        return [M], step

    both(make, (3 * X).to(dtype))


@pytest.mark.parametrize("names", ["AM", "MA"])
def test_the_new_value_of_another_tensor(names):
    """One tensor's new value stays there when another's is computed from it."""

    def make():
        A, M = te.ones(8, 8), te.ones(8, 8)

        def step(X):
            sums = [{"A": A, "M": M}[name].sum() for name in names]
            part = M * 0.9
            values = {"A": (A, part), "M": (M, part + X)}
            for name in names:
                tensor, value = values[name]
                tensor.copy_(value)
            return sums

        return [A, M], step

    both(make, X)


def test_nothing_is_written_before_a_check():
    """A label out of range raises before the tensor has begun to change."""
    M = te.ones(4, 3)

    @te.compile
    def step(X, labels):
        part = M * 0.9
        loss = F.cross_entropy(X, labels)
        M.copy_(part + X)
        return loss

    Z, labels = te.randn(4, 3), te.tensor([0, 1, 2, 0])
    step(Z, labels)
    before = M.numpy().copy()
    with pytest.raises(IndexError):
        step(Z, labels + 3)
    assert M.numpy().tobytes() == before.tobytes()


def test_a_returned_part_is_not_overwritten():
    """What the step returns is what it was when it was computed."""

    def make():
        M = te.ones(8, 8)

        def step(X):
            part = M * 0.9
            M.copy_(part + X)
            return [part]

        return [M], step

    both(make, X)


def random_step(seed):
    """Four tensors (8, 8), and some twelve operations on them and what they give, writes among them."""
    random = np.random.default_rng(seed)
    n, plan = 5, []
    for _ in range(random.integers(4, 16)):
        kind = random.choice(["add", "sub", "multiply", "matmul", "tanh", "T", "half", "sum", "copy", "update", "part"])
        plan.append((kind, *random.integers(0, [n, n]), random.integers(0, 4)))
        n += kind not in ("copy", "update", "part")
    returned = random.integers(0, n, 3)

    def make():
        te.manual_seed(seed)
        state = [te.randn(8, 8) for _ in range(4)]

        def step(x):
            values = [*state, x]
            for kind, i, j, k in plan:
                a, b = values[i], values[j]
                if kind == "copy":
                    state[k].copy_(a)
                elif kind == "update":
                    state[k].add_(a.tanh())
                elif kind == "part":
                    state[k][:4] = a[:4] if a.ndim == 2 else a
                elif kind == "matmul":
                    values.append(a @ b * 0.1)
                elif kind in ("add", "sub", "multiply"):
                    values.append(getattr(te, kind)(a, b))
                else:
                    values.append(
                        {"tanh": te.tanh, "T": lambda a: a.mT, "half": lambda a: a / 2, "sum": sum_rows}[kind](a)
                    )
            return [values[i] * 1 for i in returned]

        return state, step

    return make


def sum_rows(a):
    return a + a.sum(0, keepdim=True)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(seed):
    """Reads, writes, views and products in any order: every result and every state has eager's bits."""
    both(random_step(seed), X, calls=2)


def test_what_makes_a_tensor_fills_another():
    """zeros, full and arange with out=, into arguments and into what the step has made."""

    def step(x, y):
        z = te.ones(2, 3)
        te.zeros(2, 3, out=z)
        te.full((2, 3), 2.0, out=x)
        te.arange(3, out=y)
        return z + x, y * 1

    compiled = te.compile(step)
    for _ in range(2):
        x, y = te.ones(2, 3), te.ones(3, dtype=te.int64)
        found = compiled(x, y)
        assert found[0].tolist() == x.tolist() == [[2.0] * 3] * 2
        assert found[1].tolist() == y.tolist() == [0, 1, 2]


def test_weights_are_clipped_to_a_number_of_the_call():
    """What Python makes of a number has no memory that the new weights could take."""
    W = te.ones(2, 3, requires_grad=True)

    def step(x, c):
        W.grad = None
        (x @ W).sum().backward()
        W.data.sub_(0.1 * W.grad)
        W.data.clamp_(-c, c)

    compiled, x = te.compile(step), te.randn(4, 2)
    for c in (2.0, 0.5, 0.25):
        found = []
        for run in (step, compiled):
            W.data.fill_(1)
            run(x, c)
            found.append(W.tolist())
        assert found[0] == found[1]
