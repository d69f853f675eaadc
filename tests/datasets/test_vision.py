"""MNIST and its like: torchvision's folders, downloads that are whole or not there, and what is said offline."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import struct
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.datasets import KMNIST, MNIST, FashionMNIST, transforms
from tinygrad_edu.utils.data import DataLoader

REAL = Path(__file__).parents[3] / "shared" / "data" / "mnist"  # beside the repository, where there is one


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def files(rng):
    """Four small files as they are downloaded, by name."""
    found = {}
    for part, n in (("train", 7), ("t10k", 5)):
        images, labels = rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)
        found[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images.astype(np.uint8)))
        found[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels.astype(np.uint8)))
    return found


@pytest.fixture
def server(tmp_path, files):
    """The address of a server on this machine that has the files, and the list of what it was asked for."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def do_GET(self):
            asked.append(self.path)
            if self.path.startswith("/short/"):
                content = files[self.path.removeprefix("/short/")]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()
        thread.join()


@pytest.fixture
def small(monkeypatch, files, server):
    """MNIST as a class whose files are the small ones, on the server."""
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    monkeypatch.setattr(MNIST, "mirrors", [server[0]])
    return MNIST


def store(root, files, name="MNIST", pack=True):
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for file, content in files.items():
        path = folder / (file if pack else file.removesuffix(".gz"))
        path.write_bytes(content if pack else gzip.decompress(content))


@pytest.mark.parametrize("pack", [True, False], ids=["gz", "plain"])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_an_existing_copy_is_read(kind, pack, files, tmp_path):
    """From torchvision's folder, root/NAME/raw: bytes and Python ints by sample, tensors as a whole."""
    store(tmp_path, files, kind.__name__, pack)
    train, test = kind(tmp_path), kind(str(tmp_path), train=False)
    assert (len(train), len(test)) == (7, 5)
    image, label = train[3]
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert type(label) is int
    assert (train.data.dtype, train.targets.dtype) == (te.uint8, te.int64)
    assert train.targets[3].item() == label
    assert len(train.classes) == len(train.class_to_idx) == 10
    assert train.class_to_idx[train.classes[4]] == 4
    assert [label for _, label in train] == train.targets.tolist()  # ends by IndexError


def test_transforms_are_applied_to_each_sample(files, tmp_path):
    """transform to the image, target_transform to the label; the repr is torchvision's."""
    store(tmp_path, files)
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = MNIST(tmp_path, transform=steps, target_transform=lambda label: label % 2)
    x, y = next(iter(DataLoader(data, batch_size=4)))
    assert tuple(x.shape) == (4, 1, 28, 28)
    expected = (data.data[:4].numpy()[:, None] / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    np.testing.assert_array_equal(x.numpy(), expected)
    assert y.tolist() == [label % 2 for label in data.targets[:4].tolist()]
    assert repr(MNIST(tmp_path, False, transform=steps)) == (
        "Dataset MNIST\n    Number of datapoints: 5\n"
        f"    Root location: {tmp_path}\n    Split: Test\n    StandardTransform\n"
        "Transform: Compose(\n               ToTensor()\n"
        "               Normalize(mean=(0.5,), std=(0.5,))\n           )"
    )


def test_missing_files_are_named_with_their_place(tmp_path):
    """Without download: which file, in which folder, and the other way."""
    with pytest.raises(RuntimeError, match=r"train-images-idx3-ubyte \(or .*gz\) is not in .*MNIST.raw.*download=True"):
        MNIST(tmp_path)


def test_a_download_is_checked_unpacked_and_made_once(small, server, tmp_path, capsys):
    """The four files are fetched with progress, and a second time not; nothing unfinished lies beside."""
    data = small(tmp_path, download=True)
    assert len(data) == 7
    assert sorted(os.listdir(data.raw_folder)) == sorted(
        name for file, _ in small.resources for name in (file, file.removesuffix(".gz"))
    )
    assert len(server[1]) == 4
    assert "t10k-labels-idx1-ubyte.gz: 0.0 of 0.0 MB" in capsys.readouterr().err
    small(tmp_path, train=False, download=True)
    assert len(server[1]) == 4


def test_a_damaged_copy_is_fetched_again(small, server, tmp_path):
    """A .gz whose sum is wrong is not unpacked but replaced."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / small.resources[0][0]).write_bytes(b"half of")
    assert len(small(tmp_path, download=True)) == 7


def test_the_next_mirror_is_asked(small, server, monkeypatch, tmp_path):
    """One that has nothing and one that breaks off are passed over."""
    monkeypatch.setattr(MNIST, "mirrors", [server[0] + "nothing/", server[0] + "short/", server[0]])
    assert len(small(tmp_path, download=True)) == 7


@pytest.mark.parametrize(
    ("mirror", "text"),
    [("nothing/", "HTTP Error 404"), ("short/", "ended after|IncompleteRead|bytes read"), ("", "has the MD5")],
    ids=["not there", "breaks off", "changed"],
)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(small, server, monkeypatch, mirror, text, tmp_path):
    """Each address with its reason, the file and the folder to put it into."""
    monkeypatch.setattr(MNIST, "mirrors", [server[0] + mirror])
    if not mirror:
        monkeypatch.setattr(MNIST, "resources", [(name, "0" * 32) for name, _ in small.resources])
    with pytest.raises(RuntimeError, match=text) as error:
        small(tmp_path, download=True)
    assert "train-images-idx3-ubyte.gz could not be downloaded" in str(error.value)
    assert f"put it into {tmp_path / 'MNIST' / 'raw'}" in str(error.value)
    assert os.listdir(tmp_path / "MNIST" / "raw") == []


def test_offline_the_message_is_the_same(small, monkeypatch, tmp_path):
    """Nobody listens at the address."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        with pytest.raises(RuntimeError, match=r"refused[\s\S]*Get it by other means, put it into"):
            small(tmp_path, download=True)


@pytest.mark.skipif(not REAL.is_dir() and "TINYGRAD_EDU_NO_SKIP" not in os.environ, reason="no copy of MNIST here")
def test_the_published_files_have_the_sums_of_the_list(tmp_path):
    """The test part of MNIST: checksums, counts and first labels."""
    if not REAL.is_dir():
        return  # nothing to hold the list against
    sums = dict(MNIST.resources)
    for path in REAL.glob("t10k-*.gz"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == sums[path.name]
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "raw").symlink_to(REAL)
    data = MNIST(tmp_path, train=False)
    assert len(data) == 10_000
    assert data.targets[:5].tolist() == [7, 2, 1, 0, 4]


# --- transforms


def test_images_become_tensors_as_torchvision_makes_them():
    """Bytes are divided by 255 and channels come first; other numbers stay as they are; float64 by default if set."""
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    t = transforms.ToTensor()(image)
    assert tuple(t.shape) == (3, 2, 4)
    assert t.dtype == te.float32
    np.testing.assert_array_equal(t.numpy(), image.transpose(2, 0, 1) / np.float32(255))
    assert t.is_contiguous()
    assert transforms.ToTensor()(image.astype(np.float64)).dtype == te.float64
    kept = transforms.ToTensor()(image.astype(np.int32))
    assert kept.dtype == te.int32
    for wrong, error in (([1], TypeError), (te.ones(2, 2), TypeError), (np.ones(3), ValueError)):
        with pytest.raises(error, match="pic should be"):
            transforms.ToTensor()(wrong)


def test_normalizing_is_by_channel():
    """Also of stacks, in place if told so; a deviation of zero, integers and flat tensors are refused."""
    x = te.ones(5, 2, 3, 3)
    y = transforms.Normalize((0.0, 1.0), (2.0, 1.0))(x)
    assert y[:, 0].unique().tolist() == [0.5]
    assert y[:, 1].unique().tolist() == [0.0]
    assert x.unique().tolist() == [1.0]
    assert transforms.Normalize(0.5, 0.5, inplace=True)(x) is x
    for tensor, text in ((te.ones(2, 2), "size .*C, H, W"), (te.ones(1, 2, 2, dtype=te.uint8), "float tensor")):
        with pytest.raises((ValueError, TypeError), match=text):
            transforms.Normalize(0.5, 0.5)(tensor)
    with pytest.raises(ValueError, match="std evaluated to zero"):
        transforms.Normalize(0.5, 0.0)(x)
    with pytest.raises(TypeError, match=r"put ToTensor\(\) before"):
        transforms.Normalize(0.5, 0.5)(np.ones((1, 2, 2)))
    assert transforms.Lambda(len)([1, 2]) == 2
    with pytest.raises(TypeError, match="should be callable"):
        transforms.Lambda(3)
