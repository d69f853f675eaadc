"""Fetching a file: from the first address that answers, checked, and in place only when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 30.0  # seconds without a byte before an address is given up
_CHUNK = 1 << 16
_STEP = 0.1  # of the whole, between two lines where the progress is not seen by a person


def download(addresses: Sequence[str], path: Path, md5: str | None = None) -> None:
    """Fetch a file into `path`, which is written beside and moved into place.

    Args:
        addresses: tried in this order.
        md5: what the content must hash to, in hexadecimal.
    Raises:
        RuntimeError: no address gave the file; the message says which file to put where by hand.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for address in addresses:
        number, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                _fetch(address, file, path.name)
            if md5 is not None and md5_of(beside) != md5:
                raise ValueError(f"what came has the MD5 {md5_of(beside)}, not {md5}")
            os.chmod(beside, 0o644)
            os.replace(beside, path)
            return
        except (OSError, ValueError) as error:  # URLError, HTTPError and timeouts are OSErrors
            failures.append(f"  {address}: {error}")
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
    raise RuntimeError(
        f"{path.name} could not be downloaded:\n" + "\n".join(failures) + f"\nGet it by other means, put it into "
        f"{path.parent} (as {path.name}, or unpacked as {path.stem}), and run this again without a connection."
    )


def md5_of(path: Any) -> str:
    """The MD5 of a file's bytes: against damage on the way, not against malice."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(address: str, file: Any, name: str) -> None:
    from urllib.request import Request, urlopen  # takes 30 ms to import, so not before it is needed

    request = Request(address, headers={"User-Agent": "tinygrad_edu"})
    with urlopen(request, timeout=TIMEOUT) as response:
        total = int(response.headers.get("Content-Length") or 0)
        done, told = 0, 0.0
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if total and (done == total or done / total >= told + (0.01 if sys.stderr.isatty() else _STEP)):
                told = done / total
                _tell(name, done, total)
    if done < total:
        raise ValueError(f"the connection ended after {done} of {total} bytes")


def _tell(name: str, done: int, total: int) -> None:
    text = f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB"
    end = "\r" if sys.stderr.isatty() and done < total else "\n"
    print(text, end=end, file=sys.stderr, flush=True)
