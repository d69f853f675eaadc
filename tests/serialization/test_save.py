"""save and load: what comes back is what went in, files are whole or not there, and no code runs."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import nn, optim
from tinygrad_edu.serialization import STRUCTURE, VERSION


def round_trip(value):
    file = io.BytesIO()
    te.save(value, file)
    file.seek(0)
    return te.load(file, weights_only=True, map_location="cpu")


def assert_same(a, b):
    """Equal in kind, structure, dtype and bits."""
    assert type(a) is type(b)
    if isinstance(a, te.Tensor):
        assert a.requires_grad == b.requires_grad
        a, b = a.detach().numpy(), b.detach().numpy()
    if isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b or (a != a and b != b)


VALUES = {
    "None": None,
    "truth": True,
    "large integer": -(3**100),
    "floats": [0.1, -0.0, math.inf, -math.inf, 5e-324],
    "text": ["", "é\n\0\ud800", "x" * 300],
    "bytes": b"\0\xff",
    "empty containers": [[], (), {}, OrderedDict(), set()],
    "nested": {"a": [1, (2.5, {"b": None})], 3: {(1, "x"): True}, None: 0, 2.5: 1, False: 2},
    "OrderedDict": OrderedDict([("b", 1), ("a", 2)]),
    "Counter": Counter({30: 1, 80: 2}),
    "sets": [{1, 2}, frozenset({"a"})],
    "Size": te.ones(2, 3).shape,
    "dtype and device": [te.float32, te.int64, te.device("cpu"), te.device("cuda:1")],
    "scalars": [np.float32(0.1), np.int8(-3), np.bool_(True)],
    "arrays": [np.arange(6).reshape(2, 3).T, np.zeros((0, 3)), np.array("text"), np.array([1 + 2j]), np.array(3)],
    "tensors": [te.ones(2), te.tensor(3), te.zeros(0, 4), te.tensor([True]), te.tensor([1, 2], dtype=te.uint8)],
    "gradients wanted": [te.ones(2, requires_grad=True), nn.Parameter(te.ones(1)), nn.Parameter(te.ones(1), False)],
    "odd names": {"a/../b": te.ones(1), "/x": te.ones(2), "A": te.ones(3), "a": te.ones(4), "": te.ones(5)},
}


@pytest.mark.parametrize("name", VALUES)
def test_every_kind_comes_back(name):
    """The same types, orders and bits."""
    assert_same(VALUES[name], round_trip(VALUES[name]))


def test_the_file_is_numpys_and_says_where_each_array_belongs(tmp_path):
    """np.load reads the arrays by the path that leads to them, without pickle; any file name will do."""
    path = tmp_path / "model.pt"
    te.save({"model": nn.Linear(2, 3).state_dict(), "epochs": [te.arange(3)]}, path)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {STRUCTURE, "model/weight", "model/bias", "epochs/0"}
        assert file["model/weight"].shape == (3, 2)
    first = path.read_bytes()
    te.save(te.load(path), path)
    assert path.read_bytes() == first  # no date and no chance in it


def test_one_tensor_in_two_places_stays_one():
    """The same object twice is one object; tensors on one memory share it again, views at their places."""
    x = te.arange(12.0).reshape(3, 4)
    back = round_trip({"x": x, "again": x, "row": x[1], "T": x.T, "alias": x.detach(), "other": x.clone()})
    assert back["again"] is back["x"]
    back["x"][1, 0] = 99.0
    assert back["row"].tolist() == [99.0, 5.0, 6.0, 7.0]
    assert back["T"][0].tolist() == [0.0, 99.0, 8.0]
    assert back["alias"][1, 0].item() == 99.0
    assert back["other"][1, 0].item() == 4.0


def test_a_state_dict_keeps_the_versions_of_its_modules():
    """It is of the same class, and the metadata that PyTorch keeps in an attribute come back."""
    state = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)).state_dict()
    back = round_trip({"model": state})["model"]
    assert_same(state, back)
    assert_same(state._metadata, back._metadata)


def test_a_view_alone_does_not_bring_the_rest(tmp_path):
    """One row of a large tensor takes one row's bytes, and disjoint parts are stored apart."""
    x = te.zeros(1000, 1000)
    te.save([x[3], x[500]], tmp_path / "rows")
    assert (tmp_path / "rows").stat().st_size < 12_000


def test_writes_to_shared_memory_count_after_loading():
    """A write through one of two loaded tensors on one memory is noticed by the graph of the other."""
    x = te.ones(3)
    one, other = round_trip([x, x[:]])
    one.requires_grad_()
    y = (one * one).sum()
    other.mul_(2.0)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


def test_loaded_memory_is_its_own():
    """It can be written, and the file is not touched by it."""
    file = io.BytesIO()
    te.save(te.ones(2), file)
    for _ in range(2):
        file.seek(0)
        t = te.load(file)
        assert t.tolist() == [1.0, 1.0]
        t.fill_(7.0)


class Meter:
    """Has a state, as models and optimizers have."""

    def state_dict(self):
        return {}


Point = namedtuple("Point", "x")
CYCLE: list = []
CYCLE.append({"again": CYCLE})
DEEP: list = []
for _ in range(500):
    DEEP = [DEEP]

REFUSED = {
    "a module": ({"m": nn.Linear(1, 1)}, TypeError, r"value at \['m'\] is a Linear; save its .state_dict\(\)"),
    "an optimizer": (optim.SGD([te.ones(1)], 0.1), TypeError, r"the value is a SGD; save its .state_dict\(\)"),
    "anything with a state": ([Meter()], TypeError, r"\[0\] is a Meter; save its .state_dict\(\)"),
    "a generator": (te.Generator(), TypeError, r"save its .get_state\(\)"),
    "a function": ({"f": [len]}, TypeError, r"\['f'\]\[0\] is len, a piece of program"),
    "a class of one's own": (Point(1), TypeError, r"a Point, a class that a file can't name; save tuple\(value\)"),
    "a defaultdict": (defaultdict(int), TypeError, r"save dict\(value\)"),
    "objects in an array": (np.array([object()]), TypeError, "array of Python objects"),
    "an object": (object(), TypeError, "only pickle could store"),
    "an odd key": ({1: {object(): 1}}, TypeError, r"\[1\] has a key of type object"),
    "a cycle": (CYCLE, ValueError, r"\[0\]\['again'\] contains itself"),
    "depth": (DEEP, ValueError, "nested more than 100 deep"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(case, tmp_path):
    """The message says where it is and what to save instead; an older file stays."""
    value, error, text = REFUSED[case]
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error, match=text):
        te.save({"first": te.ones(2), "rest": value} if isinstance(value, dict) and "m" not in value else value, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


# --- files


def test_paths_and_permissions(tmp_path):
    """str and Path; a link's target is replaced and keeps its permissions; a missing folder is named."""
    path = tmp_path / "x"
    te.save(1, str(path))
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    te.save(2, link)
    assert te.load(str(path)) == te.load(path) == 2
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError, match=r"parent directory .* does not exist"):
        te.save(1, tmp_path / "no" / "file")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        te.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        te.load(tmp_path / "none")
    te.save(1, os.devnull)


def test_an_error_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    """A full disk: the old file is whole, and nothing lies beside it."""
    path = tmp_path / "file"
    te.save({"w": te.ones(3)}, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        te.save({"w": te.zeros(3)}, path)
    assert te.load(path)["w"].tolist() == [1.0, 1.0, 1.0]
    assert os.listdir(tmp_path) == ["file"]


KILLED = """
import os, sys, zipfile
import tinygrad_edu as te
opened = zipfile.ZipFile.open
def die(self, name, mode="r", **more):
    if mode == "w" and getattr(name, "filename", "").startswith("b"):
        self.fp.flush()
        os.kill(os.getpid(), 9)
    return opened(self, name, mode, **more)
zipfile.ZipFile.open = die
te.save({"a": te.zeros(1000), "b": te.zeros(1000)}, sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_save_leaves_the_old_file_whole(tmp_path):
    """The process dies between two arrays; what was there before is loaded, and the next save takes its place."""
    path = tmp_path / "file"
    te.save({"a": te.ones(3)}, path)
    run = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert run.returncode == -9
    assert te.load(path)["a"].tolist() == [1.0, 1.0, 1.0]
    assert len(os.listdir(tmp_path)) == 2  # the unfinished one lies beside
    te.save(3, path)
    assert te.load(path) == 3


def damaged(tmp_path, change):
    path = tmp_path / "file"
    te.save({"w": te.arange(100.0), "n": [1, 2]}, path)
    path.write_bytes(change(path.read_bytes()))
    return path


def restructured(tmp_path, change):
    """A file with its structure changed by hand."""
    path = tmp_path / "file"
    te.save({"w": te.arange(4.0)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(entries[STRUCTURE])
    entries[STRUCTURE] = json.dumps(change(document)).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data[: len(data) // 2], "damaged or truncated"),
        (lambda data: data[:-1], "damaged or truncated"),
        (lambda data: data[:3], "begins with 50 4b 03|damaged"),
        (lambda data: b"", "is empty"),
        (lambda data: b"hello, world", "not one of save's files: it begins with 68 65"),
        (lambda data: data.replace(b"\x00\x00\x80\x3f", b"\x00\x00\x80\x40", 1), r"damaged .*CRC"),
        (lambda data: b"\x93NUMPY" + data, r"a .npy file"),
    ],
    ids=["half", "one byte less", "three bytes", "empty", "text", "a flipped bit", "npy"],
)
def test_damage_is_named(change, text, tmp_path):
    """RuntimeError with the file's name and what is wrong with it."""
    with pytest.raises(RuntimeError, match=text) as error:
        te.load(damaged(tmp_path, change))
    assert str(tmp_path / "file") in str(error.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: {**d, "version": VERSION + 1}, f"version {VERSION + 1} .* reads up to {VERSION}; update"),
        (lambda d: {**d, "version": "x"}, "version 'x'"),
        (lambda d: {**d, "format": "other"}, "not one of save's"),
        (lambda d: [1], "not one of save's"),
        (lambda d: {**d, "content": {"eval": "1"}}, "damaged"),
        (lambda d: {**d, "content": {"tensor": 7}}, "damaged"),
        (lambda d: {**d, "content": {"dict": [[[], 1]]}}, "damaged"),
        (lambda d: {**d, "content": {"ndarray": "../w"}}, "damaged"),
        (lambda d: {**d, "content": {"a": 1, "b": 2}}, "damaged"),
        (lambda d: {**d, "content": {"dtype": "O8, {"}}, "damaged"),
        (lambda d: {**d, "tensors": [{"array": "w"}]}, "damaged"),
    ],
    ids=["newer", "odd version", "foreign", "a list", "kind", "number", "key", "entry", "two keys", "dtype", "table"],
)
def test_a_structure_that_makes_no_sense_is_refused(change, text, tmp_path):
    """A newer version says so; anything else is damage, and no Python object is made of it."""
    with pytest.raises(RuntimeError, match=text):
        te.load(restructured(tmp_path, change))


@pytest.mark.parametrize("offset", [-4, 8, 10**9])
def test_a_view_can_not_look_outside_of_its_entry(offset, tmp_path):
    """Whatever a file says of strides and places, no other memory is read."""

    def change(document):
        view = {"dtype": "<f4", "shape": [4], "strides": [4], "offset": offset}
        document["tensors"][0]["view"] = view
        return document

    with pytest.raises(RuntimeError, match="damaged"):
        te.load(restructured(tmp_path, change))


class Trap:
    """Unpickled it writes a file: the proof that code ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_do_not_run(tmp_path):
    """A pickle file, one in PyTorch's archive, and one inside of an array."""
    trap = tmp_path / "ran"
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(trap)))
    with zipfile.ZipFile(tmp_path / "torch.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(trap)))
    np.savez(tmp_path / "numpy.npz", w=np.ones(2))
    for name, text in (
        ("plain.pt", r"is a pickle file, .*safetensors"),
        ("torch.pt", r"a file of PyTorch's save, .*safetensors"),
        ("numpy.npz", r"an .npz file of NumPy's.*np.load"),
    ):
        with pytest.raises(RuntimeError, match=text):
            te.load(tmp_path / name)
    path = restructured(tmp_path, lambda d: {**d, "content": {"ndarray": "w"}})
    with zipfile.ZipFile(path) as archive:
        structure = archive.read(STRUCTURE)
    array = io.BytesIO()
    np.lib.format.write_array(array, np.array([Trap(trap)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(STRUCTURE, structure)
        archive.writestr("w.npy", array.getvalue())
    with pytest.raises(RuntimeError, match="damaged"):
        te.load(path)
    assert not trap.exists()


@pytest.mark.parametrize("location", ["cuda", te.device("cuda:0"), {"cpu": "cuda:0"}])
def test_another_device_is_refused(location, tmp_path):
    """map_location leads to the CPU or nowhere; a function is taken as it is."""
    te.save(1, tmp_path / "x")
    with pytest.raises(RuntimeError, match="there is no device"):
        te.load(tmp_path / "x", map_location=location)
    assert te.load(tmp_path / "x", map_location=lambda storage, place: storage) == 1


# --- whole training states


def make():
    te.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    return model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)


def train(model, optimizer, steps):
    for _ in range(steps):
        x = te.randn(16, 4)
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()


def test_resuming_is_bit_equal_to_not_stopping(tmp_path):
    """Model, optimizer and random state, restored into new objects after ten of twenty steps."""
    model, optimizer = make()
    train(model, optimizer, 20)
    half, state = make()
    train(half, state, 10)
    te.save({"model": half.state_dict(), "optimizer": state.state_dict(), "rng": te.get_rng_state()}, tmp_path / "x")
    te.manual_seed(1234)
    other, restored = make()
    checkpoint = te.load(tmp_path / "x")
    other.load_state_dict(checkpoint["model"])
    restored.load_state_dict(checkpoint["optimizer"])
    te.set_rng_state(checkpoint["rng"])
    train(other, restored, 10)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert one.tolist() == two.tolist()


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path):
    """The names and shapes that don't fit are listed, and the weights stay."""
    te.save(nn.Linear(3, 2).state_dict(), tmp_path / "x")
    model = nn.Linear(2, 2)
    before = model.weight.tolist()
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        model.load_state_dict(te.load(tmp_path / "x"))
    with pytest.raises(RuntimeError, match="Missing key"):
        nn.Sequential(model).load_state_dict(te.load(tmp_path / "x"))
    assert model.weight.tolist() == before
