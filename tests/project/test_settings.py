"""The first lines of scripts: settings are taken, checked and told."""

from __future__ import annotations

import pytest

import tinygrad_edu as torch


@pytest.fixture(autouse=True)
def _as_they_were():
    yield
    torch.settings._threads.clear()
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
    torch.set_printoptions(profile="default")


def test_threads_are_noted():
    """The number that was set is told; without one, this process's processors. Nonsense is refused."""
    assert torch.get_num_threads() >= 1
    torch.set_num_threads(3)
    torch.set_num_interop_threads(2)
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == (3, 2)
    with pytest.raises(RuntimeError, match="positive number of threads, not 0"):
        torch.set_num_threads(0)
    with pytest.raises(TypeError, match="expects an int"):
        torch.set_num_threads("2")
    assert torch.get_num_threads() == 3


def test_determinism_and_precision_are_noted():
    """As PyTorch tells them; an unknown precision is warned of and the old one stays."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_float32_matmul_precision("high")
    with pytest.warns(UserWarning, match="low is not one of highest | high | medium"):
        torch.set_float32_matmul_precision("low")
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.set_flush_denormal(True) is False
    torch.set_default_device("cpu")
    torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


def test_questions_about_objects():
    """is_tensor, is_floating_point and is_complex; the version, and what it was built with."""
    assert torch.is_tensor(torch.ones(1))
    assert not torch.is_tensor([1.0])
    assert torch.is_floating_point(torch.ones(1))
    assert not torch.is_floating_point(torch.tensor(1))
    assert not torch.is_complex(torch.ones(1))
    assert torch.version.__version__ == torch.__version__
    assert torch.version.cuda is None


@pytest.mark.parametrize(
    "wrong",
    [{"precision": -1}, {"threshold": "x"}, {"edgeitems": True}, {"linewidth": -5}, {"profile": "wide"}],
    ids=str,
)
def test_a_senseless_print_option_changes_nothing(wrong):
    """ValueError that names the option, and the next tensor is printed as before."""
    torch.set_printoptions(precision=2)
    with pytest.raises(ValueError, match=f"set_printoptions: {next(iter(wrong))}"):
        torch.set_printoptions(**{"precision": 6, **wrong})
    assert str(torch.tensor([0.12345])) == "tensor([0.12])"


def test_a_fork_of_the_random_stream_leaves_it_as_it_was():
    """Draws inside are forgotten, also after an error; enabled=False forgets nothing."""
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    with torch.random.fork_rng():
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ZeroDivisionError), torch.random.fork_rng():
        torch.zeros(torch.randint(1, (1,)).item() // 0)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng(enabled=False):
        torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), state)
    with pytest.raises(RuntimeError, match="fork_rng: there is no device 'cuda:0'"), torch.random.fork_rng(devices=[0]):
        pass
