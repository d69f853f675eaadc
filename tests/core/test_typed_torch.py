"""Older names of PyTorch's for tensors and dtypes, held against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)


def kind(tensor):
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)


@pytest.mark.parametrize("name", ["Float", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool"])
def test_typed_constructors(name):
    """From lengths, a shape and numbers, with isinstance and .type() by them, as in PyTorch."""
    found = []
    for m in LIBRARIES:
        typed = getattr(m, f"{name}Tensor")
        filled = typed([1, 0, 1])
        found.append([
            kind(typed(2, 3)), kind(typed(m.ones(4, 5).size())), kind(typed()), kind(filled), filled.tolist(),
            isinstance(filled, typed), isinstance(filled, m.FloatTensor), kind(m.ones(2).type(typed)),
        ])  # fmt: skip
    assert found[0] == found[1]
    with pytest.raises(TypeError):
        tg.LongTensor(tg.ones(2))


def test_tensor_by_lengths_or_numbers():
    """Tensor(2, 3) is memory of that shape, Tensor([1, 2]) floating whatever the numbers are."""
    for m in LIBRARIES:
        assert kind(m.Tensor(2, 3)) == ("float32", (2, 3))
        assert kind(m.Tensor(3)) == ("float32", (3,))
        assert kind(m.Tensor(m.ones(3, 1).shape)) == ("float32", (3, 1))
        assert kind(m.Tensor([1, 2])) == ("float32", (2,))
        assert kind(m.Tensor(((1, 2), (3, 4)))) == ("float32", (2, 2))
        assert kind(m.nn.Parameter(m.Tensor(4, 2))) == ("float32", (4, 2))


def test_variable():
    """A tensor on the same memory, outside of the graph; every tensor is an instance."""
    for m in LIBRARIES:
        x = m.ones(2)
        v = m.autograd.Variable(x, requires_grad=True)
        (v * 2).sum().backward()
        x += 1
        assert v.tolist() == [2, 2]
        assert v.grad.tolist() == [2, 2]
        assert not x.requires_grad
        assert isinstance(x, m.autograd.Variable)
        assert not isinstance(1, m.autograd.Variable)


def test_memory_formats_change_no_number():
    """What is asked for is accepted wherever PyTorch accepts it."""
    for m in LIBRARIES:
        x = m.arange(24.0).reshape(1, 2, 3, 4)
        results = [
            x.to(memory_format=m.channels_last), x.contiguous(memory_format=m.contiguous_format),
            x.clone(memory_format=m.preserve_format), m.clone(x, memory_format=m.channels_last),
            m.zeros_like(x, memory_format=m.preserve_format) + x, x.to(m.float32, memory_format=m.channels_last),
            x.double(memory_format=m.channels_last), x.long(memory_format=m.preserve_format),
            x.byte(memory_format=m.preserve_format),
        ]  # fmt: skip
        assert all(m.equal(r, x) for r in results)
        layer = m.nn.Conv2d(2, 2, 1).to(memory_format=m.channels_last)
        assert layer(x).shape == (1, 2, 3, 4)
        assert repr(m.channels_last).removeprefix("torch.") == "channels_last"
        assert x.layout is m.strided
        assert isinstance(m.strided, m.layout)
        assert not x.is_sparse
        assert not x.is_meta


def test_dtypes_without_arithmetic_can_be_listed():
    """A table of dtypes may name half precision and complex numbers; using them is an error that says so."""
    table = {name: getattr(tg, name) for name in ("float16", "half", "bfloat16", "complex64", "cfloat", "complex128")}
    assert repr(table["bfloat16"]) == "bfloat16"
    for dtype in table.values():
        with pytest.raises(tg.DtypeError, match=r"float16|complex"):
            tg.zeros(2, dtype=dtype)
    assert isinstance(tg.ones(1).dtype, tg.dtype)
    assert isinstance(torch.ones(1).dtype, torch.dtype)


def test_places_in_memory():
    """Offsets of views count elements; views of one tensor start at addresses that differ by them."""
    for m in LIBRARIES:
        x = m.from_numpy(np.arange(12.0)).reshape(3, 4)
        view = x[1:, 2:]
        assert view.storage_offset() == 6
        assert x.storage_offset() == 0
        assert view.data_ptr() - x.data_ptr() == 6 * x.itemsize == 48
        assert x.data_ptr() == x.detach().data_ptr() != x.clone().data_ptr()


def test_hooks_after_accumulation():
    """They see the sum in .grad, may change it, return nothing, and are gone when removed."""
    for m in LIBRARIES:
        x = m.ones(3, requires_grad=True)
        seen = []
        handle = x.register_post_accumulate_grad_hook(lambda p, seen=seen: seen.append(p.grad.tolist()))
        (x * 2).sum().backward()
        (x * 3).sum().backward()
        handle.remove()
        x.sum().backward()
        assert seen == [[2, 2, 2], [5, 5, 5]]
        assert x.grad.tolist() == [6, 6, 6]
        with pytest.raises(RuntimeError, match="non-leaf"):
            (x * 2).register_post_accumulate_grad_hook(print)
        with pytest.raises(RuntimeError):
            m.ones(1).register_post_accumulate_grad_hook(print)
        x.register_post_accumulate_grad_hook(lambda p: p.grad)
        with pytest.raises(RuntimeError, match="should return None"):
            x.sum().backward()


def test_optimizer_step_in_the_backward_pass():
    """PyTorch's tutorial on it: each parameter's optimizer steps in its hook, and the gradients are freed."""
    ends = []
    for m in LIBRARIES:
        m.manual_seed(0)
        net = m.nn.Linear(3, 2)
        optimizers = {p: m.optim.Adam([p], lr=0.1) for p in net.parameters()}

        def step(p, optimizers=optimizers):
            optimizers[p].step()
            optimizers[p].zero_grad()

        for p in net.parameters():
            p.register_post_accumulate_grad_hook(step)
        x = m.arange(12.0).reshape(4, 3) / 12
        for _ in range(5):
            net(x).pow(2).sum().backward()
        assert all(p.grad is None for p in net.parameters())
        ends.append([p.detach().numpy() for p in net.parameters()])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)  # 5 steps in float32
