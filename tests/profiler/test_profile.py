"""The profiler: that its rows are what ran, that times add up, and that nothing is left of it afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.core import backward as engine
from tinygrad_edu.core.primitive import PRIMITIVES
from tinygrad_edu.profiler import ProfilerActivity, profile, record_function
from tinygrad_edu.profiler.events import BACKWARD, FORWARD, MODULE, PRODUCT, UPDATE
from tinygrad_edu.profiler.products import CALL


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, X):
        return X + self.inner(X)


def train(steps: int = 2, p: profile | None = None) -> float:
    te.manual_seed(0)
    model = nn.Sequential(Residual(), nn.Linear(4, 3))
    optimizer = optim.Adam(model.parameters())
    X, labels = te.randn(5, 4), te.tensor([0, 1, 2, 0, 1])
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), labels)
        loss.backward()
        optimizer.step()
        if p is not None:
            p.step()
    return loss.item()


@pytest.fixture(scope="module")
def trained() -> profile:
    train()  # what rules read is found in first calls, which differ
    with profile(record_shapes=True) as p:
        train(2, p)
    return p


def inside(inner, outer) -> bool:
    return outer.start <= inner.start <= inner.end <= outer.end


def test_rows_are_the_primitives_that_ran(trained):
    """Each primitive has a row with its number of calls; an optimizer's step is one row, its parts in it."""
    rows = {row.name: row for row in trained.key_averages()}
    assert rows["linear"].calls == 4  # two layers, two steps
    assert rows["tanh"].calls == 2
    assert rows["cross_entropy"].calls == 2
    assert rows["Adam.step"].calls == 2
    assert rows["Adam.step"].forward == rows["Adam.step"].backward == 0
    assert all(
        rows[name].forward > 0 and rows[name].backward > 0 for name in ("linear", "tanh", "add", "cross_entropy")
    )
    assert not [row for row in rows.values() if row.total <= 0]


def test_events_nest(trained):
    """Of two events one lies within the other, or one ends before the other begins: a trace can be drawn."""
    events = sorted(trained.events, key=lambda e: (e.start, -e.end))
    running = []
    for event in events:
        assert trained.began <= event.start <= event.end <= trained.ended
        while running and running[-1].end <= event.start:
            running.pop()
        assert not running or inside(event, running[-1])
        running.append(event)


def test_times_add_up(trained):
    """Rows never overlap, so they and what lies between them make the whole; products are a part of them."""
    averages = trained.key_averages()
    total = averages.total()
    assert total.total <= trained.ended - trained.began
    assert total.total == sum(e.time for e in trained.events if e.outermost)
    products = [e for e in trained.events if e.kind == PRODUCT]
    assert sum(e.time for e in products) == total.products <= total.total


def test_products_are_found_inside_of_primitives(trained):
    """`A @ B` and np.dot within a linear layer's forward and rules are timed, with their shapes; tanh has none."""
    rows = {row.name: row for row in trained.key_averages()}
    assert 0 < rows["linear"].products < rows["linear"].total
    assert rows["tanh"].products == 0
    shapes = {e.name for e in trained.events if e.kind == PRODUCT}
    assert {"(5, 4) @ (4, 4)", "(5, 4) @ (4, 3)"} <= shapes


def test_matrix_product_is_nearly_all_product():
    """One product of two matrices makes one product event in the forward, and one for each gradient."""
    A, B = te.ones(6, 7, requires_grad=True), te.ones(7, 8, requires_grad=True)
    (A @ B).sum().backward()
    with profile() as p:
        C = A @ B
        C.backward(te.ones(6, 8))
    assert [e.name for e in p.events if e.kind == PRODUCT] == ["(6, 7) @ (7, 8)", "(6, 8) @ (8, 7)", "(7, 6) @ (6, 8)"]


@pytest.mark.parametrize(
    "module",
    [nn.Conv2d(2, 3, 3), nn.LSTM(6, 3), nn.GRU(6, 3), nn.MultiheadAttention(6, 2)],
    ids=lambda m: m._get_name(),
)
def test_layers_made_of_products_show_them(module):
    """Wherever a layer multiplies matrices, the profile sees it, forward and backward."""
    X = te.randn(2, 2, 6, 6) if isinstance(module, nn.Conv2d) else te.randn(4, 2, 6)
    with profile() as p:
        out = module(X, X, X) if isinstance(module, nn.MultiheadAttention) else module(X)
        (out if isinstance(out, te.Tensor) else out[0]).sum().backward()
    found = [e for e in p.events if e.kind == PRODUCT]
    for kind in FORWARD, BACKWARD:
        assert any(inside(e, outer) for e in found for outer in p.events if outer.kind == kind)


def test_modules_have_forward_and_backward(trained):
    """Backward's events are told the module in which their values were made; parts lie within the whole."""
    paths = {e.name for e in trained.events if e.kind == MODULE}
    assert paths == {"Sequential", "Sequential.0", "Sequential.0.inner", "Sequential.0.inner.0", "Sequential.0.inner.1",
                     "Sequential.1"}  # fmt: skip
    back = {(e.name, e.module) for e in trained.events if e.kind == BACKWARD}
    assert ("tanh", "Sequential.0.inner.1") in back
    assert ("add", "Sequential.0") in back
    assert ("linear", "Sequential.1") in back
    assert ("cross_entropy", "") in back


def test_table_shows_both_tables(trained):
    """The text has a row per primitive and per module, the share of products, and what lies between."""
    text = trained.table()
    assert text.splitlines()[0].count("ms") == 3
    assert "2 steps" in text
    assert "matrix products (BLAS)" in text
    assert "between primitives" in text
    assert "    inner: Sequential" in text
    assert "      1: Tanh()" in text
    assert "  1: Linear(in_features=4, out_features=3, bias=True)" in text


def test_table_sorts_and_sums_the_rest(trained):
    """`row_limit` keeps the first rows and adds up the others; a wrong `sort_by` names the right ones."""
    text = trained.key_averages().table(sort_by="calls", row_limit=1)
    assert "others" in text
    assert len(text.splitlines()) == 5  # head, one row, the others, their sum, what lies between
    with pytest.raises(ValueError, match=r"sort_by='cuda_time' is none of total, forward"):
        trained.table(sort_by="cuda_time")


def test_trace_is_what_perfetto_reads(trained, tmp_path):
    """The file is a Chrome trace: complete events in microseconds, with names, categories and modules."""
    trained.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    spans = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(spans) == len(trained.events)
    assert {"forward", "backward", "update", "module", "product"} <= {e["cat"] for e in spans}
    assert all(e["ts"] >= 0 and e["dur"] >= 0 and e["pid"] == e["tid"] == 1 for e in spans)
    whole = (trained.ended - trained.began) / 1e3
    assert max(e["ts"] + e["dur"] for e in spans) <= whole
    first = next(e for e in spans if e["cat"] == "forward" and e["name"] == "linear")
    assert first["args"] == {"module": "Sequential.0.inner.0", "shapes": [[5, 4], [4, 4], [4]]}
    assert [e["name"] for e in spans if e["name"].startswith("ProfilerStep")] == ["ProfilerStep#0", "ProfilerStep#1"]
    assert any(e["name"] == "linear backward" for e in spans)


def test_profiling_changes_no_number():
    """A profiled training ends in the same loss, bit for bit."""
    plain = train(3)
    with profile() as p:
        assert train(3, p) == plain


def test_nothing_is_left_of_a_profile():
    """Forwards, module calls, steps and backward's visit are the same objects as before, also after an error."""

    def state():
        kinds = [optim.Optimizer, *optim.Optimizer.__subclasses__()]
        forwards = [p.forward for p in PRIMITIVES.values()]
        codes = [f.__code__ for p in PRIMITIVES.values() for f in (p.forward, *p.rules) if hasattr(f, "__code__")]
        return forwards, codes, nn.Module.__call__, engine._visit, [vars(kind).get("step") for kind in kinds]

    before = state()
    with pytest.raises(te.ShapeError), profile():  # noqa: PT012  # what is wrong must be inside of the profile
        assert state() != before
        te.ones(2, 3) @ te.ones(2, 3)
    assert state() == before
    assert not hasattr(__import__("tinygrad_edu.ops.linalg", fromlist=["linalg"]), CALL)


def test_one_profile_at_a_time():
    """A second profile within one is refused; after the first has ended another may begin."""
    with profile():
        with pytest.raises(RuntimeError, match="another profile is running"), profile():
            pass
        te.ones(2).exp()
    with profile() as p:
        te.ones(2).exp()
    assert [e.name for e in p.events] == ["exp"]


def test_record_function_names_a_part():
    """A label is an event around what happens in it, as a block and as a decorator; without a profile it is nothing."""

    @record_function("doubling")
    def double(x):
        return x * 2

    double(te.ones(2))
    with profile(activities=[ProfilerActivity.CPU]) as p, record_function("outer"):
        double(te.ones(2))
    outer, doubling, mul = p.events
    assert (outer.name, doubling.name, mul.name) == ("outer", "doubling", "mul")
    assert inside(mul, doubling)
    assert inside(doubling, outer)


def test_second_order_counts_for_the_visit():
    """With create_graph a rule computes on Tensors: its operations lie within backward's event and count once."""
    x = te.tensor(0.5, requires_grad=True)
    with profile() as p:
        (slope,) = te.autograd.grad(x.tanh(), x, create_graph=True)
        te.autograd.grad(slope, x)
    visits = [e for e in p.events if e.kind == BACKWARD]
    nested = [e for e in p.events if e.kind == FORWARD and any(inside(e, v) for v in visits)]
    assert nested
    assert not any(e.outermost for e in nested)


def test_same_class_twice_has_two_names():
    """Two models of one class are told apart, and each keeps its name over several calls."""
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    with profile() as p:
        for _ in range(2):
            b(a(te.ones(1, 2)))
    assert [e.name for e in p.events if e.kind == MODULE] == ["Linear", "Linear (2)"] * 2


def test_trace_ready_is_called():
    """`on_trace_ready` gets the profile when the block has ended, and not after an error."""
    seen = []
    with profile(on_trace_ready=seen.append) as p:
        te.ones(2).exp()
    assert seen == [p]
    with pytest.raises(ZeroDivisionError), profile(on_trace_ready=seen.append):
        1 / 0
    assert seen == [p]


def test_what_is_not_supported_says_so():
    """A schedule is refused; a table before the end too."""
    with pytest.raises(NotImplementedError, match="schedule= is not supported"):
        profile(schedule=lambda step: None)
    with pytest.raises(RuntimeError, match="nothing has been measured"):
        profile().table()


def test_update_is_one_event():
    """SGD's step, which writes without Tensors, is timed as a whole."""
    W = te.ones(3, requires_grad=True)
    W.grad = te.ones(3)
    optimizer = optim.SGD([W], lr=0.5)
    with profile() as p:
        optimizer.step()
    assert [e.name for e in p.events if e.kind == UPDATE] == ["SGD.step"]
    np.testing.assert_array_equal(W.detach().numpy(), 0.5)


def test_compiled_step_is_one_row():
    """A compiled step is one event, with the products of its program in it; the program is the same afterwards."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @te.compile
    def step(X):
        optimizer.zero_grad()
        loss = model(X).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    X = te.ones(5, 4)
    for _ in range(2):
        step(X)
    with profile() as p:
        step(X)
        step(X)
    (row,) = p.key_averages()
    assert (row.name, row.calls) == ("compiled step", 2)
    assert 0 < row.products < row.program == row.total
    assert "program ms" in p.table()
    count = len(p.events)
    step(X)
    assert len(p.events) == count
