"""safetensors through its own package: layouts, dtypes, errors, and files that go to and come from PyTorch."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn
from tinygrad_edu import safetensors as ours

pytest.importorskip("safetensors", reason="safetensors is not installed")


@pytest.fixture
def tensors(rng):
    x = te.tensor(rng.standard_normal((3, 4)).astype("f4"))
    return {
        "plain": x,
        "transposed": x.T,
        "strided": x[:, ::2],
        "permuted": te.tensor(rng.standard_normal((2, 3, 4))).permute(2, 0, 1),
        "expanded": x[:1].expand(5, 4),
        "scalar": te.tensor(2.5),
        "empty": te.zeros(0, 3),
        **{d.name: te.ones(2, dtype=d) for d in (te.float64, te.int8, te.int16, te.int32, te.int64, te.uint8, te.bool)},
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(tensor), strict=True)


def test_every_layout_and_dtype_comes_back(tensors, tmp_path):
    """Transposes and strides too, which the package itself would scramble; what is loaded can be written."""
    path = tmp_path / "w.safetensors"
    ours.save_file(tensors, path, metadata={"format": "pt"})
    found = ours.load_file(path)
    assert_equal(found, tensors)
    assert_equal(ours.load(ours.save(tensors)), tensors)
    found["plain"].zero_()
    assert_equal(ours.load_file(str(path), device="cpu"), tensors)
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_files_go_to_pytorch_and_come_from_it(tensors, tmp_path):
    """Written by either package and read by the other: the same numbers in the same dtypes."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file, save_file

    ours.save_file(tensors, tmp_path / "ours")
    assert_equal(load_file(tmp_path / "ours"), tensors)
    theirs = {name: torch.from_numpy(np.array(t.numpy())).contiguous() for name, t in tensors.items()}
    save_file(theirs, tmp_path / "theirs")
    assert_equal(ours.load_file(tmp_path / "theirs"), theirs)
    model, other = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    save_file(other.state_dict(), tmp_path / "model")
    model.load_state_dict(ours.load_file(tmp_path / "model"))
    np.testing.assert_array_equal(model.weight.detach().numpy(), other.weight.detach().numpy())


def test_half_precision_is_refused_by_name(tmp_path):
    """Nothing here computes in it; the message names the tensor and the way out."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save_file

    for dtype, word in ((torch.float16, "F16"), (torch.bfloat16, "BF16")):
        save_file({"w": torch.zeros(2, dtype=dtype)}, tmp_path / "half")
        with pytest.raises(RuntimeError, match=rf"'w' in {word}.*tensor.float\(\)"):
            ours.load_file(tmp_path / "half")


def test_damage_and_wrong_types_are_named(tensors, tmp_path):
    """RuntimeError with the file's name; TypeError for what is not a tensor; nothing is written then."""
    path = tmp_path / "w"
    ours.save_file(tensors, path)
    whole = path.read_bytes()
    for data in (whole[:-5], b"", b"hello, world, hello", whole[:20]):
        path.write_bytes(data)
        with pytest.raises(RuntimeError, match=rf"safetensors: {path} is damaged"):
            ours.load_file(path)
    path.write_bytes(whole)
    with pytest.raises(RuntimeError, match=r"looks like a safetensors file; use tinygrad_edu.safetensors"):
        te.load(path)
    with pytest.raises(TypeError, match=r"\['lr'\] is of type float"):
        ours.save_file({"w": te.ones(1), "lr": 0.1}, path)
    with pytest.raises(TypeError, match="dict of tensors"):
        ours.save_file([te.ones(1)], path)
    with pytest.raises(RuntimeError, match="no device 'cuda'"):
        ours.load_file(path, device="cuda")
    assert path.read_bytes() == whole


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    """ModuleNotFoundError, when the functions are called and not when they are imported."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.numpy", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "tinygrad_edu\[safetensors\]"'):
        ours.save({"w": te.ones(1)})
