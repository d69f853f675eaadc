"""`.data` and `detach()` in a step are other names of the same memory: what is written by one, all see."""

from __future__ import annotations

import pytest

import tinygrad_edu as te


def through_data(p):
    p.data -= 0.1 * p.grad


def through_data_method(p):
    p.data.add_(p.grad, alpha=-0.1)


def through_detach(p):
    p.detach().sub_(0.1 * p.grad)


def through_two(p):
    d = p.detach()
    p.data.mul_(0.5)
    d.add_(p.grad)
    p.data[0] = d[1] * 2


def through_a_view(p):
    p.detach()[1:].sub_(0.1 * p.grad[1:])
    p.data[0].fill_(3)


def through_the_view_of_a_view(p):
    p.data.reshape(-1)[1:].mul_(2)
    with te.no_grad():
        p[0] += p.grad[0]


def under_no_grad(p):
    with te.no_grad():
        p -= 0.1 * p.grad
        p.data.clamp_(-0.5, 0.5)


def exchanged_with_what_was_computed(p):
    p.data = p.data - 0.1 * p.grad
    p.data += 1


WRITES = [
    through_data, through_data_method, through_detach, through_two, through_a_view, through_the_view_of_a_view,
    under_no_grad, exchanged_with_what_was_computed,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("known", [False, True], ids=["detached-in-the-step", "detached-before"])
def test_written_by_another_name_and_read_again(write, known):
    """The parameter, a tensor detached before the step, and a second loss read after the write are eager's."""

    def make():
        te.manual_seed(0)
        p = te.randn(3, 2, requires_grad=True)
        before = p.detach() if known else None

        def step(x):
            p.grad = None
            loss = ((p * x) ** 2).sum()
            loss.backward()
            write(p)
            seen = p.sum() if before is None or write is exchanged_with_what_was_computed else p.sum() + before.sum()
            return loss, seen, p.data * 2, ((p + x) ** 2).sum()

        return p, step

    (q, eager), (p, step) = make(), make()
    step = te.compile(step)
    for k in range(6):
        x = te.ones(2) * (k + 1) / 4
        for a, b in zip(eager(x), step(x), strict=True):
            assert a.tolist() == b.tolist()
        assert p.tolist() == q.tolist()
        assert p.grad.tolist() == q.grad.tolist()
    assert repr(step) == "<compiled step: 1 program>" or write is exchanged_with_what_was_computed


def test_gradient_through_what_was_written_is_refused_as_in_eager():
    """Backward needs the value that `.data` has overwritten."""
    p = te.ones(3, requires_grad=True)

    def step(x):
        loss = (p * p * x).sum()
        p.data.mul_(2)
        loss.backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        step(te.ones(3))
    before = p.tolist()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        te.compile(step)(te.ones(3))
    assert p.tolist() == before


def test_arguments_are_written_by_another_name():
    """What is given is changed, as in eager mode."""

    def add(x):
        x.data.add_(1)
        x.detach()[0] = 7
        return x * 2

    step = te.compile(add)
    for k in range(3):
        mine, eagers = te.ones(3) * k, te.ones(3) * k
        assert step(mine).tolist() == add(eagers).tolist()
        assert mine.tolist() == eagers.tolist()


def test_a_tensor_detached_before_that_goes_elsewhere_is_noticed():
    """`q.data = ...` gives it memory of its own; the step is traced again."""
    p = te.ones(3)
    q = p.detach()
    step = te.compile(lambda x: (p.add_(x), q * 1)[1])
    assert step(te.ones(3)).tolist() == [2, 2, 2]
    q.data = te.zeros(3)
    assert step(te.ones(3)).tolist() == [0, 0, 0]
    assert p.tolist() == [3, 3, 3]


def test_sharing_memory_for_good_is_refused():
    """`p.data = q` in a step would make one of two tensors; the message says how to copy."""
    p, q = te.ones(3), te.zeros(3)

    def share(x):
        p.data = q
        return p * x

    with pytest.raises(te.TraceError, match=r"test_names_of_memory\.py:\d+: .*x\.data\.copy_\(y\)"):
        te.compile(share)(te.ones(3))

    with pytest.raises(te.TraceError, match=r"test_names_of_memory\.py:\d+: .*a part of its own memory"):
        te.compile(lambda: setattr(p, "data", p.data[1:]))()
    with pytest.raises(te.TraceError, match=r"test_names_of_memory\.py:\d+: .*with gaps; take y\.clone"):
        te.compile(lambda x: setattr(p, "data", x.repeat(2)[::2]))(te.ones(3))
    assert p.tolist() == [1, 1, 1]


def update(p, x):
    p.data = p.data - 0.1 * x


def and_reads_another_name(p, d, v, x):
    update(p, x)
    return d * 1, v * 1, p * 1


def reads_before(p, d, v, x):
    before = d.sum(), v.sum()
    update(p, x)
    return *before, d.sum()


def written_before(p, d, v, x):
    p.data.mul_(0.5)
    update(p, x)
    return (d * 1,)


def written_after(p, d, v, x):
    old, part = p.data, p.data[1:]
    update(p, x)
    p.data.mul_(0.5)
    return old * 1, part * 1, p * 1


def y_is_written(p, d, v, x):
    y = x * 2
    p.data = y
    y.add_(1)
    p.data.mul_(3)
    return p * 1, y * 1


def one_for_two(p, d, v, x):
    p.data = x * 2
    d.data = p.data.detach()
    p.data.add_(1)
    return p * 1, d * 1


def other_form(p, d, v, x):
    p.data = te.cat([p.data.double(), x.double()])
    return p.sum(), d.sum()


def transposed(p, d, v, x):
    p.data = (p.data.reshape(1, 3).T * x.reshape(3, 1)).reshape(3)
    return p.sum(), d.sum()


def of_an_argument(p, d, v, x):
    old = x.detach()
    x.mul_(2)
    x.data = x * 3
    old.add_(1)
    x.data.sub_(5)
    return old * 1, x * 1


def of_a_view(p, d, v, x):
    v.data = v.data * x[1:]
    return v * 1, p * 1


EXCHANGES = (
    and_reads_another_name, reads_before, written_before, written_after, y_is_written, one_for_two, other_form,
    transposed, of_an_argument, of_a_view,
)  # fmt: skip


@pytest.mark.parametrize("step", EXCHANGES, ids=lambda f: f.__name__)
def test_other_memory_leaves_what_was_there_to_other_names(step):
    """After `p.data = y` a tensor detached before, a view and an ndarray show what they have shown."""
    states = []
    for compiled in (False, True):
        p = te.tensor([1.0, 2.0, 3.0])
        d, v, seen, kept = p.detach(), p[1:], [], []
        run = (te.compile if compiled else lambda f: f)(lambda x, p=p, d=d, v=v: step(p, d, v, x))
        for k in range(4):
            x = te.ones(3) * (k + 1)
            kept.append(p.detach())
            for found in (run(x), (p.mul_(2), d.add_(1), x.sub_(1))):
                seen.append([t.tolist() for t in (*found, p, d, v, x, *kept)])
        states.append(seen)
    assert states[0] == states[1]


def test_an_ndarray_of_memory_that_is_left():
    """It is not written any more, and the source says what it did."""
    w = te.ones(2, requires_grad=True)
    array = w.detach().numpy()

    @te.compile
    def step(x):
        w.grad = None
        (w * x).sum().backward()
        w.data = w.data - 0.5 * w.grad

    step(te.ones(2))
    step(te.ones(2))
    assert (array.tolist(), w.tolist()) == ([1, 1], [0, 0])
    assert "w -= 0.5 * dw" in step.source(readable=True)


READS = {
    "item": lambda t, x: x * t.item(),
    "float": lambda t, x: x * float(t),
    "int": lambda t, x: te.stack([x] * int(t)),
    "if": lambda t, x: x * 2 if t > 1 else x,
    "tolist": lambda t, x: x * te.tensor(t.tolist()),
    "numpy": lambda t, x: x * te.from_numpy(t.numpy()),
    "equal": lambda t, x: x * 2 if te.equal(t, te.tensor(2.0)) else x,
    "format": lambda t, x: x * len(f"{t:.3f}"),
}


@pytest.mark.parametrize("name", READS)
def test_numbers_of_a_tensor_that_the_step_has_not_computed_with_are_refused(name):
    """They would be constants of the program, and stale when the tensor changes."""
    t = te.tensor(2.0)
    with pytest.raises(te.TraceError, match=r"test_names_of_memory\.py:\d+: a value is read"):
        te.compile(lambda x: READS[name](t, x))(te.ones(2))


def test_what_is_printed_while_tracing_has_no_numbers():
    """A tensor's text in a step is its dtype and shape, whether the step has computed with it or not."""
    t = te.tensor([2.0, 3.0])

    def step(x):
        return x * ("2." not in str(t)) * ("(2,)" in repr(x * 2))

    assert te.compile(step)(te.ones(2)).tolist() == [1, 1]


def test_numbers_that_the_step_writes_down_may_be_read():
    """`tensor([2, 1])` is the same at every call."""
    step = te.compile(lambda x: x.reshape(te.tensor([2, 3]).tolist()) * te.tensor(3.0).item())
    assert step(te.ones(6)).tolist() == [[3, 3, 3], [3, 3, 3]]


def test_masks_and_places_of_ones_own_are_read_and_never_stale():
    """Rows to train on, masks made of them and of what the step writes down: another mask is another program."""
    train, places = te.tensor([True, False, True, False]), te.tensor([1, 2])

    def step(x):
        others = ~train & (te.arange(4) > 0)
        return x[train], x[others], x[~te.eye(4, dtype=te.bool)[0]], x[: places.max().item()], te.nonzero(train)

    compiled, x = te.compile(step), te.arange(4.0)
    for change in (lambda: None, lambda: train.logical_not_(), lambda: places.add_(1)):
        change()
        for _ in range(2):
            for found, expected in zip(compiled(x), step(x), strict=True):
                assert found.tolist() == expected.tolist()
    assert repr(compiled) == "<compiled step: 3 programs>"


def test_a_mask_that_is_passed_picks_no_number_of_rows():
    """Another one comes at each call: where() keeps the shape."""
    with pytest.raises(te.TraceError, match=r"x\[mask\] has as many elements as the mask says: where"):
        te.compile(lambda x, mask: x[mask])(te.ones(2), te.tensor([True, False]))


def test_what_happens_once_is_a_program_of_its_own():
    """Weights that begin with the first batch, and a flag that says so; a count is told where it is read."""
    begun, W, count = te.tensor(0), te.zeros(3), te.tensor(0)

    def step(x):
        if begun.item() == 0:
            W.copy_(x)
            begun.fill_(1)
        return x * W

    compiled = te.compile(step)
    found = [compiled(te.full((3,), v)).tolist() for v in (2.0, 3.0, 4.0)]
    assert found == [[4.0] * 3, [6.0] * 3, [8.0] * 3]
    assert repr(compiled) == "<compiled step: 2 programs>"
    counting = te.compile(lambda x: x * count.add_(1).item(), limit=2)
    assert [counting(te.ones(1)).item() for _ in range(2)] == [1, 2]
    with pytest.raises(te.TraceError, match=r"the numbers of a tensor that are read at test_names_of_memory\.py:\d+"):
        counting(te.ones(1))
