"""Every row of the table, in each of the readings of a rule: numbers, Tensors, Symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import Tensor, autograd, tensor
from tinygrad_edu.core.backward import unbroadcast
from tinygrad_edu.core.symbol import Symbol, find_reads, leaves
from tinygrad_edu.symbolic.printer import expression, namespace

from .table import BOOK, CASES, Case

SLOPED = [c for c in CASES if c.differentiable(c.sample(np.random.default_rng(0)))]
OPEN = [c for c in CASES if not c.primitive.opaque]
every_row = pytest.mark.parametrize("case", CASES, ids=str)
every_sloped_row = pytest.mark.parametrize("case", SLOPED, ids=str)

PARTLY = {
    "assign", "correlation", "kernel_correlation", "transposed_correlation", "max_pool", "onto_largest", "mean_pool",
    "spread_means",
}  # fmt: skip
H = 6e-6  # cbrt(eps) of float64: where the truncation and the rounding of a central difference balance


def rule(case: Case, index: int, dY: Any, Y: Any, inputs: list[Any]) -> Any:
    """The rule alone, as it is written: neither unbroadcast nor cast."""
    with np.errstate(all="ignore"):
        return case.primitive.call_rule(index, dY, Y, inputs, case.params)


def cotangent(case: Case, index: int, dY: Any, inputs: list[Any]) -> np.ndarray[Any, Any]:
    """The rule on arrays, with the unbroadcasting that the engine does for it."""
    return np.asarray(
        unbroadcast(np.asarray(rule(case, index, dY, case.forward(*inputs), inputs)), inputs[index].shape)
    )


def bump(values: list[Any], index: int, step: Any) -> list[Any]:
    return [x + step if i == index else x for i, x in enumerate(values)]


def execute(symbol: Any, values: dict[Symbol, Any]) -> Any:
    """Run the equations that a Symbol was computed by, oldest first."""
    if not isinstance(symbol, Symbol):
        return symbol
    values = dict(values)
    found, stack = set(), [symbol]
    while stack:
        x = stack.pop()
        if isinstance(x, Symbol) and x not in found:
            found.add(x)
            stack.extend(x.inputs)
    with np.errstate(all="ignore"):
        for x in sorted(found - set(values), key=lambda s: s.index):
            assert x.primitive is not None, f"{x} is neither an input nor computed"
            inputs = [values[i] if isinstance(i, Symbol) else i for i in x.inputs]
            result = x.primitive.forward(*inputs, **x.params)
            if isinstance(result, tuple):  # several outputs, each of which is picked
                values[x] = result
                continue
            values[x] = np.asarray(result)
            assert (values[x].shape, values[x].dtype) == (x.shape, x.dtype)
    return values[symbol]


def symbols_of(inputs: list[Any]) -> list[Any]:
    """A named Symbol per array; numbers stay numbers."""
    return [Symbol(x.shape, x.dtype, f"x{i}") if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]


def run_source(symbol: Any, named: dict[str, Any]) -> Any:
    """The printed NumPy of an expression, executed on its own."""
    if not isinstance(symbol, Symbol):
        return symbol
    with np.errstate(all="ignore"):
        return eval(expression(symbol), {**namespace(), **named})


def test_every_primitive_has_a_row():
    """The rule book and the table name the same primitives."""
    assert {c.key for c in CASES} == set(BOOK)


def test_rows_have_names_of_their_own():
    """No two rows print alike, so a failure names one."""
    names = [str(c) for c in CASES]
    assert len(set(names)) == len(names)


def test_every_rule_is_run_by_a_row():
    """Each rule in the book belongs to an input that some row differentiates by."""
    run = {(c.key, c.primitive.inputs[min(i, len(c.primitive.inputs) - 1)]) for c in SLOPED for i in _slopes(c)}
    book = {(k, x) for k, p in BOOK.items() for x, r in zip(p.inputs, p.rules, strict=True) if r is not None}
    assert run == book


STORING = [c for c in CASES if "out" in (c.primitive.forward.__kwdefaults__ or ())]


@pytest.mark.parametrize("case", STORING, ids=str)
def test_forward_stores_its_result_where_it_is_told(case, rng):
    """`out=`, whatever was there before: a compiled program hands over the same memory at every call."""
    inputs = case.sample(rng)
    expected = case.primitive.forward(*inputs, **case.params)
    assert expected.dtype.kind == "f"
    memory = np.full_like(expected, np.nan)  # in the layout of the result
    found = case.primitive.forward(*inputs, **case.params, out=memory)
    assert np.shares_memory(found, memory) or not memory.size
    assert_array_equal(memory, expected)


def _slopes(case: Case) -> list[int]:
    return case.differentiable(case.sample(np.random.default_rng(0)))


@every_sloped_row
def test_rule_agrees_with_central_difference(case, rng):
    """<dX, V> equals <dY, f(X + hV) - f(X - hV)> / 2h for random dY and direction V."""
    inputs = case.sample(rng)
    dY = np.asarray(rng.standard_normal(case.forward(*inputs).shape))
    for i in case.differentiable(inputs):
        dX = cotangent(case, i, dY, inputs)
        V = case.direction(rng, i, inputs[i].shape)
        rise = case.forward(*bump(inputs, i, H * V)) - case.forward(*bump(inputs, i, -H * V))
        # Truncation h**2 and rounding eps / h are both about 4e-11 of the values, which are of order 1 to 100.
        assert_allclose(np.sum(dX * V), np.sum(dY * rise) / (2 * H), rtol=1e-7, atol=1e-8, err_msg=f"input {i}")


@every_sloped_row
def test_rule_read_on_tensors_agrees_with_central_difference(case, rng):
    """Second order: the derivative of <dX, U>, by the graph of the rule, along random directions."""
    inputs = case.sample(rng)
    cotangents = np.asarray(rng.standard_normal(case.forward(*inputs).shape))
    for i in case.differentiable(inputs):
        U = np.asarray(rng.standard_normal(inputs[i].shape))
        moving = [*case.differentiable(inputs), len(inputs)]
        everything = [*inputs, cotangents]
        leaves_ = [
            tensor(x, requires_grad=k in moving) if isinstance(x, np.ndarray) else x for k, x in enumerate(everything)
        ]
        Y = case.primitive(*leaves_[:-1], **case.params)
        (dX,) = autograd.grad(Y, leaves_[i], leaves_[-1], create_graph=True)
        # NumPy's loops for arrays, views and 0-d operands round differently, by an ulp or two of each operation.
        assert_allclose(dX.detach().numpy(), cotangent(case, i, cotangents, inputs), rtol=1e-13, atol=1e-13)
        if not dX.requires_grad:  # floor, sign: the rule gives a constant
            assert_array_equal(dX.numpy(), 0)
            continue
        found = autograd.grad((dX * tensor(U)).sum(), [leaves_[k] for k in moving], allow_unused=True)
        for k, second in zip(moving, found, strict=True):
            V = case.direction(rng, k, everything[k].shape)
            up, down = (
                np.sum(U * cotangent(case, i, at[-1], at[:-1]))
                for at in (bump(everything, k, H * V), bump(everything, k, -H * V))
            )
            slope = 0.0 if second is None else np.sum(second.detach().numpy() * V)
            # as above; a sum over more elements, so that what is cancelled is larger
            assert_allclose(slope, (up - down) / (2 * H), rtol=1e-7, atol=1e-7, err_msg=f"d dX{i} / d input {k}")


@pytest.mark.parametrize("case", [c for c in SLOPED if c.key != "astype"], ids=str)  # a cast does cast
def test_rule_keeps_float32(case, rng):
    """On float32 inputs a rule computes in float32: no constant of it is a float64."""
    inputs = [
        x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in case.sample(rng)
    ]
    Y = case.forward(*inputs)
    assert Y.dtype == np.float32
    dY = rng.standard_normal(Y.shape).astype(np.float32)
    for i in case.differentiable(inputs):
        assert np.asarray(rule(case, i, dY, Y, inputs)).dtype == np.float32, f"input {i}"


@every_row
def test_forward_and_rules_write_to_nothing(case, rng):
    """No array handed to a primitive is modified: read-only ones do as well."""
    inputs = case.sample(rng)
    before = [np.copy(x) for x in inputs]
    for x in inputs:
        if isinstance(x, np.ndarray):
            x.flags.writeable = False
    Y = case.forward(*inputs)
    kept = Y.copy()
    dY = np.asarray(rng.standard_normal(Y.shape))
    for array in (Y, dY):
        array.flags.writeable = False
    given = dY.copy()
    for i in case.differentiable(inputs):
        rule(case, i, dY, Y, inputs)
    for x, old in zip([*inputs, Y, dY], [*before, kept, given], strict=True):
        assert_array_equal(x, old)


@every_sloped_row
def test_rule_read_on_symbols_gives_the_numbers(case, rng):
    """The expression that a rule records on Symbols, executed and as printed source, is the rule."""
    inputs = case.sample(rng)
    Y = case.forward(*inputs)
    dY = np.asarray(rng.standard_normal(Y.shape))
    stand_ins = symbols_of(inputs)
    Y_, dY_ = Symbol(Y.shape, Y.dtype, "Y"), Symbol(dY.shape, dY.dtype, "dY")
    arrays = {s: x for s, x in zip(stand_ins, inputs, strict=True) if isinstance(s, Symbol)}
    for i in case.differentiable(inputs):
        expected = rule(case, i, dY, Y, inputs)
        recorded = rule(case, i, dY_, Y_, stand_ins)
        assert recorded.shape == np.shape(expected)
        assert_array_equal(execute(recorded, {**arrays, Y_: Y, dY_: dY}), expected)
        printed = run_source(recorded, {**{s.name: x for s, x in arrays.items()}, "Y": Y, "dY": dY})
        # The source may use np.mean where the forward divides np.add.reduce: other rounding, no more.
        assert_allclose(printed, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", OPEN, ids=str)
def test_forward_read_on_symbols_gives_the_numbers(case, rng):
    """A primitive that is not opaque can be opened: its forward on Symbols records what it computes."""
    inputs = case.sample(rng)
    stand_ins = symbols_of(inputs)
    arrays = {s: x for s, x in zip(stand_ins, inputs, strict=True) if isinstance(s, Symbol)}
    recorded = case.primitive.forward(*stand_ins, **case.params)
    expected = case.forward(*inputs)
    if not isinstance(recorded, Symbol):  # `filled` has no input to become a Symbol by
        assert not stand_ins
        return
    assert leaves(recorded) <= set(arrays)
    computed = execute(recorded, arrays)
    assert_array_equal(computed, expected)
    assert computed.dtype == expected.dtype


@pytest.mark.parametrize("case", [c for c in CASES if BOOK[c.key].composition is not None], ids=str)
def test_composition_is_what_the_forward_computes(case, rng):
    """A forward that is written for speed equals what a textbook would write, where that serves its parameters."""
    inputs = case.sample(rng)
    expected = BOOK[case.key].forward(*inputs, **case.params)
    try:
        with np.errstate(all="ignore"):
            found = BOOK[case.key].composition(*inputs, **case.params)
    except NotImplementedError:
        assert case.key in PARTLY  # groups, windows of different sizes: the forward is shown
        return
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for one, other in pairs:
        # float64, sums in another order; of float32's approximations 4e-7
        tolerance = 1e-12 if np.asarray(other).dtype != np.float32 else 1e-6
        assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", [c for c in CASES if c.output is None], ids=str)
def test_primitive_is_one_equation_on_symbols(case, rng):
    """Handed Symbols, a primitive records itself, with the shape and dtype that it will have."""
    inputs = case.sample(rng)
    recorded = Symbol.apply(case.primitive, tuple(symbols_of(inputs)), case.params)
    expected = case.forward(*inputs)
    assert recorded.primitive is case.primitive
    assert (recorded.shape, recorded.dtype) == (expected.shape, expected.dtype)
    values = {f"x{i}": x for i, x in enumerate(inputs)}
    # As above: printed as the NumPy function that it is, a reduction may round otherwise.
    assert_allclose(run_source(recorded, values), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", [c for c in CASES if c.draws], ids=str)  # without operands there is no Tensor
def test_tensors_compute_what_arrays_do(case, rng):
    """The primitive on Tensors has the numbers and the dtype of its forward on arrays."""
    inputs = case.sample(rng)
    result = case.primitive(*[tensor(x) if isinstance(x, np.ndarray) else x for x in inputs], **case.params)
    assert isinstance(result, Tensor)
    assert result.dtype == case.forward(*inputs).dtype
    assert_array_equal(result.numpy(), case.forward(*inputs))


@pytest.mark.parametrize("key", sorted({c.key for c in SLOPED}))
def test_rows_agree_on_what_the_rules_read(key, rng):
    """What the engine keeps is found once per combination of needs, so it may not depend on the row."""
    found: dict[tuple[int, tuple[bool, ...]], dict[Any, list[str]]] = {}
    for case in (c for c in SLOPED if c.key == key):
        inputs = case.sample(rng)
        sloped = case.differentiable(inputs)
        numbers = [i for i, x in enumerate(inputs) if not isinstance(x, np.ndarray)]
        for chosen in range(1, 1 << len(sloped)):
            wanted = {i for bit, i in enumerate(sloped) if chosen >> bit & 1}
            needs = tuple(i in wanted for i in range(len(inputs)))
            reads = find_reads(case.primitive, needs, tuple(inputs), case.params, case.forward(*inputs))
            found.setdefault((len(inputs), needs), {}).setdefault(reads, []).append(f"{case} {numbers}")
    assert found
    assert {k: rows for k, rows in found.items() if len(rows) > 1} == {}
