"""Names that a module does not have: PyTorch's other paths and older names, and what is said of those left out."""

from __future__ import annotations

import importlib

import pytest

import tinygrad_edu as tg
from tinygrad_edu.core.missing import LEFT_OUT, OLDER, PATHS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
LIBRARIES = (torch, tg)
NAMES = [
    ("amp.grad_scaler", "GradScaler"), ("autograd.grad_mode", "no_grad"), ("autograd.gradcheck", "gradcheck"),
    ("cuda.amp.autocast_mode", "autocast"), ("distributions.multinomial", "Multinomial"),
    ("nn.common_types", "_size_2_t"), ("nn.modules.loss", "CrossEntropyLoss"), ("nn.modules.linear", "LazyLinear"),
    ("nn.utils.clip_grad", "clip_grad_norm_"), ("nn.utils.stateless", "functional_call"),
    ("nn.utils.weight_norm", "weight_norm"), ("optim.adamw", "AdamW"),
    ("utils.dlpack", "from_dlpack"),
]  # fmt: skip


def at(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_names_by_their_files(path, name):
    """`from nn.modules.loss import CrossEntropyLoss`, though the file is another one here."""
    for m in LIBRARIES:
        assert hasattr(importlib.import_module(f"{m.__name__}.{path}"), name)
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        importlib.import_module(f"tinygrad_edu.{path}").nowhere  # the access is the test


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_pytorchs_and_lead_somewhere(path):
    """Each is a module of PyTorch's, and its home here is one."""
    importlib.import_module(f"torch.{path}")
    assert importlib.import_module(f"tinygrad_edu.{PATHS[path]}")


def test_a_function_is_not_hidden_by_the_file_of_its_name():
    """autograd.gradcheck stays the function when its path has been imported."""
    for m in LIBRARIES:
        importlib.import_module(f"{m.__name__}.autograd.gradcheck")
        importlib.import_module(f"{m.__name__}.nn.utils.weight_norm")
        assert callable(m.autograd.gradcheck)
        assert callable(m.nn.utils.weight_norm)
        assert m.distributions.multinomial.Multinomial is m.distributions.Multinomial


@pytest.mark.parametrize("path", OLDER)
def test_older_names_work_and_warn(path):
    """They are the newer function, and the warning says its name."""
    with pytest.warns(FutureWarning, match=f"write `{OLDER[path]}`"):
        older = at(tg, path)
    assert older is at(tg, f"{path.rpartition('.')[0]}.{OLDER[path]}")
    assert at(torch, path)


@pytest.mark.parametrize("path", sorted(set(LEFT_OUT) - {"cuda"}))
def test_what_is_left_out_says_why(path):
    """As an attribute and where it is imported, and hasattr answers no."""
    home, _, name = path.rpartition(".")
    owner = at(tg, home) if home else tg
    owner = tg.ones(1) if owner is tg.Tensor else owner
    assert not hasattr(owner, name)
    with pytest.raises(AttributeError) as error:
        getattr(owner, name)
    assert str(error.value).endswith(f"has no attribute {name!r}: {LEFT_OUT[path]}.")
    if not home or hasattr(at(tg, home), "__path__"):
        with pytest.raises(ModuleNotFoundError) as error:
            importlib.import_module(f"tinygrad_edu.{path}.more")
        assert str(error.value).endswith(f"{LEFT_OUT[path]}.")


def test_left_out_as_scripts_ask_for_it():
    """What stands below a name that is left out is, too; `from` says why."""
    with pytest.raises(ImportError, match=r"tinygrad_edu\.fft': complex numbers are not supported"):
        from tinygrad_edu import fft  # noqa: F401  # the import is what is refused
    with pytest.raises(ImportError, match=r"viz\.record\(model\)"):
        from tinygrad_edu.utils.tensorboard import SummaryWriter  # noqa: F401  # likewise
    with pytest.raises(AttributeError, match="'Event': there is no GPU"):
        tg.cuda.Event()


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("tensr", "tensor"),
        ("nn.Linaer", "Linear"),
        ("nn.functional.leaky_reul", "leaky_relu"),
        ("nn.init.kaiming_norml_", "kaiming_normal_"),
        ("optim.SDG", "SGD"),
        ("optim.lr_scheduler.StepLr", "StepLR"),
        ("linalg.choleski", "cholesky"),
        ("utils.data.Dataloader", "DataLoader"),
        ("distributions.Normel", "Normal"),
        ("autograd.functional_", "functional"),
        ("func.vmpa", "vmap"),
    ],
)
def test_a_misspelt_name_gets_the_nearest(path, near):
    """In every module that users call."""
    with pytest.raises(AttributeError, match=f"Did you mean '{near}'"):
        at(tg, path)
