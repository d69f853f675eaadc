"""save and load: nested containers of tensors in one .npz file, without pickle.

A file is a zip archive of NumPy's own entries, one `.npy` per array (`np.load(file)["layer.weight"]` reads them
too), and of `structure.json`, which says how they hang together (structure.py). Loading reads numbers and text and
never runs code. Saving writes beside the file and then takes its place, so that a killed save leaves the old file
whole, and a `.NAME.*.tmp` beside it that can be deleted.

Not here: safetensors.py, the format in which weights are exchanged with PyTorch.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from .core.device import require_cpu
from .structure import Decoder, Encoder

FORMAT = "tinygrad_edu"
VERSION = 1  # of structure.json; newer ones are refused
STRUCTURE = "structure.json"
_DATE = (1980, 1, 1, 0, 0, 0)  # the zip format's first: the same values make the same bytes


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int | None = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write tensors and containers of them to a file, for `load`.

    Args:
        obj: dict, OrderedDict, Counter, list, tuple, set, str, bytes, numbers, None, dtypes, devices, tensors,
            parameters, NumPy arrays, nested as you like: a `state_dict()`, or a dict of several. Tensors on the
            same memory will be on the same memory again.
        f: a path, of whatever name, or a file open for writing bytes.
        pickle_module, pickle_protocol: PyTorch's; without effect, as nothing is pickled.
    Raises:
        TypeError: something else is in it; the message says where. Nothing has been written.
        ValueError: a container contains itself.
        RuntimeError: the folder does not exist.

    >>> import io, tinygrad_edu
    >>> file = io.BytesIO()
    >>> tinygrad_edu.save({"weight": tinygrad_edu.ones(2), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> tinygrad_edu.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    import json  # with zipfile and tempfile below it would take 25 ms of every start
    import zipfile

    encoder = Encoder(obj)
    document = {"format": FORMAT, "version": VERSION, "content": encoder.content, "tensors": encoder.tensors}
    text = json.dumps(document)

    def fill(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(STRUCTURE, _DATE), text)
            for name, array in encoder.arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _DATE), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)

    if hasattr(f, "write"):
        fill(f)
    else:
        write_atomically(f, fill)


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What `save` wrote, in memory of its own.

    Args:
        f: a path or a file open for reading bytes.
        map_location: None, "cpu", or what else PyTorch takes, as long as it leads to the CPU.
        weights_only: without effect: no code is ever loaded.
        pickle_module, mmap: PyTorch's; without effect.
    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it is damaged or truncated, of a newer version, or not one of `save`'s: the message says which.
    """
    import json
    import zipfile

    _check_location(map_location)
    name = str(getattr(f, "name", "the file") if hasattr(f, "read") else os.fspath(f))
    opened: Any = contextlib.nullcontext(f) if hasattr(f, "read") else open(f, "rb")  # noqa: SIM115  # closed below
    with opened as file, _explained(name):
        _refuse_others(file, name)
        with zipfile.ZipFile(file) as archive:
            entries = archive.namelist()
            if STRUCTURE not in entries:
                raise RuntimeError(f"load: {name} is {_other_archive(entries)}")
            document = json.loads(archive.read(STRUCTURE))
            if (
                not isinstance(document, dict)
                or document.get("format") != FORMAT
                or not {"content", "tensors"} <= document.keys()
            ):
                raise RuntimeError(f"load: the {STRUCTURE} in {name} is not one of save's.")
            version = document.get("version")
            if not isinstance(version, int) or version > VERSION:
                raise RuntimeError(
                    f"load: {name} has version {version!r} of the format, and this installation reads up to {VERSION}; "
                    "update tinygrad_edu, or save it with the older version."
                )

            def array(key: str) -> np.ndarray[Any, Any]:
                with archive.open(f"{key}.npy") as entry:
                    found = np.lib.format.read_array(entry, allow_pickle=False)
                    if entry.read():  # at the end of the entry its checksum is compared
                        raise ValueError(f"{key}.npy is longer than its header says")
                return np.asarray(found)

            return Decoder(document["tensors"], array).decode(document["content"])


def write_atomically(path: Any, fill: Callable[[IO[bytes]], Any]) -> None:
    """Let `fill` write a file beside `path`, and put it in its place when it is whole and on the disk."""
    import tempfile
    from pathlib import Path

    target = Path(os.path.realpath(os.fsdecode(path)))  # a link stays one
    if not target.parent.is_dir():
        raise RuntimeError(f"save: the parent directory {target.parent} does not exist.")
    if target.is_dir():
        raise IsADirectoryError(f"save: {target} is a folder; name a file in it.")
    if target.exists() and not target.is_file():  # a device or a pipe can't be replaced
        content = io.BytesIO()  # nor can it tell a position, which the archive needs
        fill(content)
        with open(target, "wb") as file:
            file.write(content.getvalue())
        return
    number, beside = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, _mode(target))
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    with contextlib.suppress(OSError, AttributeError):  # the new name too; not every system can
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _mode(target: Any) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """What the readers below raise about bytes that make no sense, in one class and with the file's name."""
    import zipfile
    import zlib

    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        MemoryError,
        NotImplementedError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RuntimeError(f"load: {name} is damaged or truncated ({reason}); nothing was loaded.") from error
    except RecursionError:
        raise RuntimeError(f"load: {name} is nested too deeply to be one of save's.") from None


def _refuse_others(file: Any, name: str) -> None:
    """Name the kinds of file that are often handed over by mistake; leaves the file where it was."""
    start = file.tell()
    head = file.read(16)
    file.seek(start)
    if not head:
        raise RuntimeError(f"load: {name} is empty.")
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise RuntimeError(f"load: {name} is a pickle file, {_WAY_OUT}")
    if head[:6] == b"\x93NUMPY":
        raise RuntimeError(f"load: {name} is a .npy file; read it with from_numpy(np.load(...)).")
    if head[8:9] == b"{" and not head.startswith(b"PK"):
        raise RuntimeError(f"load: {name} looks like a safetensors file; use tinygrad_edu.safetensors.load_file.")
    if not head.startswith(b"PK"):
        raise RuntimeError(f"load: {name} is not one of save's files: it begins with {head[:8].hex(' ')}.")


_WAY_OUT = (
    "which could run any code when loaded, so it is not read here. In PyTorch, load it and write "
    "safetensors.torch.save_file(state_dict, path); tinygrad_edu.safetensors.load_file reads that."
)


def _other_archive(entries: list[str]) -> str:
    if any(entry.endswith("data.pkl") for entry in entries):
        return f"a file of PyTorch's save, {_WAY_OUT}"
    if entries and all(entry.endswith(".npy") for entry in entries):
        return "an .npz file of NumPy's, without structure; read it with np.load."
    return f"a zip archive without {STRUCTURE}, so not one of save's files."


def _check_location(location: Any) -> None:
    """Everything may be mapped to the CPU, and nothing elsewhere."""
    if isinstance(location, dict):
        for target in location.values():
            require_cpu(target, "load")
    elif not callable(location):  # a function would be handed storages of PyTorch's; all of them are on the CPU
        require_cpu(location, "load")
