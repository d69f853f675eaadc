"""Devices: names that compare, and one that is accepted everywhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import tinygrad_edu as torch
from tinygrad_edu import Generator, nn


def test_a_device_is_its_type_and_index():
    """From a string, with an index beside or in it, or from another device; compared, printed and pickled by these."""
    one = torch.device("cuda:1")
    assert (one.type, one.index) == ("cuda", 1)
    assert one == torch.device("cuda", 1) == torch.device(one) == torch.device(type="cuda", index=1)
    assert one != torch.device("cuda")
    assert torch.device("cpu") != "cpu"
    assert len({torch.device("cpu"), torch.device("cpu"), one}) == 2
    assert (str(one), repr(one)) == ("cuda:1", "device(type='cuda', index=1)")
    assert repr(torch.device("cpu")) == "device(type='cpu')"
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError, match="can't be changed"):
        one.index = 2


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("gpu",), RuntimeError, "Expected one of cpu, cuda"),
        (("cpu:x",), RuntimeError, "Invalid device string: 'cpu:x'"),
        (("cuda:1", 1), RuntimeError, "must not include an index"),
        ((0,), RuntimeError, "Cannot access accelerator device"),
        (("cpu", -1), RuntimeError, "non-negative"),
        ((None,), TypeError, "not NoneType"),
    ],
)
def test_what_is_no_device_is_refused(arguments, error, text):
    """PyTorch's classes; the message says what can be written."""
    with pytest.raises(error, match=text):
        torch.device(*arguments)


def test_tensors_say_where_they_are():
    """On the CPU, whatever they were made or converted with."""
    cpu = torch.device("cpu")
    x = torch.ones(2, device=cpu)
    assert x.device == cpu
    assert (x.is_cuda, x.is_cpu, x.get_device()) == (False, True, -1)
    assert x.to(cpu) is x.to("cpu") is x.to(device="cpu:0") is x.cpu() is x.to(cpu, torch.float32) is x
    assert x.to("cpu", torch.float64).dtype == torch.float64
    assert x.to(device=cpu, dtype=torch.int64, non_blocking=True).dtype == torch.int64
    copied = x.to("cpu", copy=True)
    assert copied is not x
    assert x.to(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    with torch.device("cpu"):
        assert torch.zeros(1).device == cpu
    model = nn.Linear(2, 2, device=cpu)
    assert model.to(cpu) is model.cpu() is model.to("cpu", torch.float64) is model
    assert model.weight.dtype == torch.float64
    assert next(model.parameters()).device == cpu


ON_A_GPU = {
    "tensor": lambda d: torch.tensor([1.0], device=d),
    "as_tensor": lambda d: torch.as_tensor(torch.ones(1), device=d),
    "as_tensor of an array": lambda d: torch.as_tensor(np.ones(1), device=d),
    "zeros": lambda d: torch.zeros(2, device=d),
    "ones": lambda d: torch.ones(2, device=d),
    "empty": lambda d: torch.empty(2, device=d),
    "full": lambda d: torch.full((2,), 1.0, device=d),
    "eye": lambda d: torch.eye(2, device=d),
    "arange": lambda d: torch.arange(2, device=d),
    "linspace": lambda d: torch.linspace(0, 1, 2, device=d),
    "zeros_like": lambda d: torch.zeros_like(torch.ones(1), device=d),
    "ones_like": lambda d: torch.ones_like(torch.ones(1), device=d),
    "empty_like": lambda d: torch.empty_like(torch.ones(1), device=d),
    "full_like": lambda d: torch.full_like(torch.ones(1), 2.0, device=d),
    "new_zeros": lambda d: torch.ones(1).new_zeros(2, device=d),
    "new_ones": lambda d: torch.ones(1).new_ones(2, device=d),
    "new_empty": lambda d: torch.ones(1).new_empty(2, device=d),
    "new_full": lambda d: torch.ones(1).new_full((2,), 1.0, device=d),
    "new_tensor": lambda d: torch.ones(1).new_tensor([1.0], device=d),
    "rand": lambda d: torch.rand(2, device=d),
    "randn": lambda d: torch.randn(2, device=d),
    "randint": lambda d: torch.randint(2, (2,), device=d),
    "randperm": lambda d: torch.randperm(2, device=d),
    "rand_like": lambda d: torch.rand_like(torch.ones(1), device=d),
    "randn_like": lambda d: torch.randn_like(torch.ones(1), device=d),
    "randint_like": lambda d: torch.randint_like(torch.ones(1), 2, device=d),
    "normal": lambda d: torch.normal(0.0, 1.0, (2,), device=d),
    "Generator": lambda d: Generator(d),
    "Tensor.to": lambda d: torch.ones(1).to(d),
    "Tensor.to, by keyword": lambda d: torch.ones(1).to(device=d),
    "Tensor.cuda": lambda d: torch.ones(1).cuda(d),
    "Linear": lambda d: nn.Linear(2, 2, device=d),
    "Module.to": lambda d: nn.Sequential().to(d),
    "Module.to, by keyword": lambda d: nn.ReLU().to(device=d, dtype=torch.float64),
    "Module.cuda": lambda d: nn.ReLU().cuda(d),
    "set_default_device": torch.set_default_device,
    "with": lambda d: torch.device(d).__enter__(),
}


@pytest.mark.parametrize("use", ON_A_GPU)
def test_another_device_is_refused_before_anything_is_done(use):
    """RuntimeError that names it and says how scripts choose; no random number has been drawn."""
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match=r"there is no device 'cuda:0'.*is_available\(\)"):
        ON_A_GPU[use]("cuda:0")
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_keyword_of_to_is_named():
    """A misspelt one is not taken for a device or dtype."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'dytpe'"):
        torch.ones(1).to(dytpe=torch.float64)
    with pytest.raises(TypeError, match="only accepts floating point dtypes"):
        nn.Linear(1, 1).to(torch.int64)


def test_gpus_are_asked_for_and_seeded_without_harm():
    """What a script does before it knows; what would need one says that there is none."""
    assert not torch.cuda.is_available()
    assert not torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator() is None
    assert torch.cuda.device_count() == torch.cuda.memory_allocated() == torch.cuda.max_memory_allocated() == 0
    state = torch.get_rng_state()
    torch.cuda.manual_seed(1)
    torch.cuda.manual_seed_all(1)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.set_rng_state_all(torch.cuda.get_rng_state_all())
    assert torch.equal(torch.get_rng_state(), state)
    for name in ("current_device", "get_device_name", "get_device_properties"):
        with pytest.raises(RuntimeError, match=rf"cuda\.{name}: there is no GPU"):
            getattr(torch.cuda, name)()
    with pytest.raises(RuntimeError, match="set_device"):
        torch.cuda.set_device("cuda:0")


def test_backends_are_not_there_and_take_their_switches():
    """Guards are False, switches are kept; `flags` sets them for a block."""
    b = torch.backends
    assert not any(m.is_available() for m in (b.cudnn, b.mps, b.mkl, b.mkldnn, b.openmp))
    assert not b.mps.is_built()
    assert not b.cuda.is_built()
    assert b.cudnn.version() is None
    with b.cudnn.flags(deterministic=True):
        assert b.cudnn.deterministic
        assert not b.cudnn.enabled
    assert (b.cudnn.deterministic, b.cudnn.enabled, b.cudnn.benchmark) == (False, True, False)
