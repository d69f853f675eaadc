"""Anomaly mode: the first nan or infinity, and the line of the user's where it arose."""

from __future__ import annotations

import inspect
import threading
from math import inf

import pytest

from tinygrad_edu import log, softmax, tensor, where
from tinygrad_edu.autograd import Function, detect_anomaly, grad, is_anomaly_enabled, set_detect_anomaly


def here() -> int:
    """The line of the call."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_forward_is_stopped_where_infinity_arises():
    """log(0) raises at once, naming operation, file, line and index."""
    x = tensor([1.0, 0.0], requires_grad=True)
    line = here() + 2
    with detect_anomaly(), pytest.raises(RuntimeError, match=r"infinity.*index \(1,\).*shape \(2,\)") as caught:
        log(x)
    assert f"log at test_anomaly.py:{line} " in str(caught.value)


def test_backward_names_the_forward_line():
    """sqrt(x * x) at 0: forward is finite, and the infinite slope is sqrt's, not the product's that turns it to nan."""
    x = tensor([1.0, 0.0], requires_grad=True)
    square = x * x
    line = here() + 1
    root = square.sqrt()
    loss = root.sum()
    for create_graph in (False, True):
        with detect_anomaly(), pytest.raises(RuntimeError, match="'SqrtBackward0' returned infinity") as caught:
            loss.backward(create_graph=create_graph, retain_graph=True)
        assert f"sqrt at test_anomaly.py:{line} " in str(caught.value)


def test_nan_out_of_finite_gradients_is_found():
    """A Function whose backward gives nan is named by its own name."""

    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dY):
            return dY * float("nan")

    x = tensor([1.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(RuntimeError, match="Function 'BadBackward' returned nan values in its 0th"):
        Bad.apply(x).backward()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_infinities_that_were_given_are_not_anomalies():
    """A mask of -inf, which attention uses, passes; a row that it fills wholly makes nan and does not."""
    x = tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with detect_anomaly():
        scores = where(tensor([[True, False], [True, True]]), x, -inf)
        softmax(scores, dim=1).square().sum().backward()
        with pytest.raises(RuntimeError, match="first nan"):
            softmax(where(tensor([[False, False], [True, True]]), x, -inf), dim=1)
    assert x.grad is not None


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_off_is_off_and_each_thread_has_its_own():
    """Outside of the block nothing is checked; the switch works as block, decorator and statement."""
    x = tensor([0.0], requires_grad=True)

    @set_detect_anomaly(True)
    def checked():
        return log(x)

    assert not is_anomaly_enabled()
    assert grad(log(x).sum(), x)[0].tolist() == [inf]
    with pytest.raises(RuntimeError, match="infinity"):
        checked()
    assert not is_anomaly_enabled()
    with detect_anomaly():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(is_anomaly_enabled()))
        thread.start()
        thread.join()
        assert (seen, is_anomaly_enabled()) == ([False], True)
    with set_detect_anomaly(True, check_nan=False):
        log(x)
    set_detect_anomaly(True)
    try:
        assert is_anomaly_enabled()
    finally:
        set_detect_anomaly(False)
