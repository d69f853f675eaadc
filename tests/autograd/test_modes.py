"""Grad mode: contexts, decorators, generators, threads."""

from __future__ import annotations

import threading

import pytest

from tinygrad_edu import enable_grad, inference_mode, is_grad_enabled, no_grad, ones, set_grad_enabled, tensor


@pytest.fixture(autouse=True)
def _recording():
    """Every test begins and ends with recording on."""
    assert is_grad_enabled()
    yield
    assert is_grad_enabled()


def test_contexts_nest_and_restore():
    """Each block ends with the mode it began with."""
    with no_grad():
        assert not is_grad_enabled()
        with enable_grad():
            assert is_grad_enabled()
            with set_grad_enabled(False):
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()
        with inference_mode(False):
            assert is_grad_enabled()
    with inference_mode():
        assert not is_grad_enabled()
    with set_grad_enabled(mode=False):
        assert not is_grad_enabled()


def test_mode_is_restored_after_an_error():
    """An exception leaves the block like any other way out."""
    with pytest.raises(KeyError), no_grad():
        raise KeyError


def test_one_object_can_be_entered_inside_itself():
    """PyTorch's loses the outer mode here."""
    context = no_grad()
    with context:
        with context:
            assert not is_grad_enabled()
        assert not is_grad_enabled()


def test_set_grad_enabled_is_a_function_too():
    """Without `with` it switches from here on."""
    set_grad_enabled(False)
    try:
        assert not is_grad_enabled()
    finally:
        set_grad_enabled(True)
    assert is_grad_enabled()


@pytest.mark.parametrize(
    ("decorate", "inside"),
    [
        (no_grad(), False),
        (no_grad, False),
        (inference_mode(), False),
        (inference_mode, False),
        (inference_mode(mode=False), True),
        (enable_grad(), True),
        (enable_grad, True),
        (set_grad_enabled(True), True),
    ],
)
def test_decorated_function_runs_in_the_mode(decorate, inside):
    """With and without parentheses; outside of the call nothing has changed; the name and the result stay."""

    @decorate
    def evaluate(x, *, scale):
        """Doc."""
        return is_grad_enabled(), x * scale

    assert is_grad_enabled()
    with set_grad_enabled(not inside):
        mode, result = evaluate(2, scale=3)
        assert is_grad_enabled() is not inside
    assert (mode, result) == (inside, 6)
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Doc.")


def test_decorating_with_set_grad_enabled_switches_nothing():
    """Only the call does."""

    @set_grad_enabled(False)
    def evaluate():
        return is_grad_enabled()

    assert is_grad_enabled()
    assert evaluate() is False


def test_decorated_function_may_call_itself():
    """Each call has a context of its own."""

    @no_grad()
    def down(n):
        return [is_grad_enabled(), *(down(n - 1) if n else [])]

    assert down(3) == [False] * 4


def test_decorated_generator_has_the_mode_in_its_steps_only():
    """Between the steps the caller's mode holds; send, throw, close and return values go through."""
    seen = []

    @no_grad()
    def steps():
        try:
            seen.append(is_grad_enabled())
            got = yield 1
            seen.append((got, is_grad_enabled()))
            try:
                yield 2
            except KeyError:
                seen.append(("caught", is_grad_enabled()))
            yield 3
            return "end"
        finally:
            seen.append(("closed", is_grad_enabled()))

    generator = steps()
    assert next(generator) == 1
    assert is_grad_enabled()
    assert generator.send("x") == 2
    assert generator.throw(KeyError()) == 3
    with pytest.raises(StopIteration, match="end"):
        next(generator)
    assert seen == [False, ("x", False), ("caught", False), ("closed", False)]
    another = steps()
    next(another)
    another.close()
    assert seen[-1] == ("closed", False)


def test_what_is_computed_under_no_grad_is_a_leaf_without_gradient():
    """Its numbers count, its history is not kept."""
    x = tensor([1.0], requires_grad=True)
    for off in (no_grad(), inference_mode(), set_grad_enabled(False)):
        with off:
            y = x * 2
        assert not y.requires_grad
        assert y.is_leaf
        assert y.grad_fn is None


def test_leaf_made_under_no_grad_can_require_a_gradient():
    """The mode concerns operations, not what the user asks of a leaf."""
    with no_grad():
        x = ones(2, requires_grad=True)
    assert x.requires_grad
    assert (x * 2).requires_grad


def test_mode_belongs_to_a_thread():
    """A thread begins with recording on, and switches its own mode alone."""
    seen = []
    inside, done = threading.Event(), threading.Event()

    def other():
        seen.append(is_grad_enabled())
        with no_grad():
            inside.set()
            done.wait(5)
            seen.append(is_grad_enabled())

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(5)
    assert is_grad_enabled()
    done.set()
    thread.join()
    assert seen == [True, False]


def test_threads_may_differentiate_at_once():
    """Four graphs of their own, built and walked side by side, give what one after the other gives."""
    results = [0.0] * 4

    def work(i):
        x = tensor([1.0 + i], requires_grad=True)
        y = x
        for _ in range(200):
            y = y * 1.0 + x
        y.backward()
        results[i] = x.grad.item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [201.0] * 4
