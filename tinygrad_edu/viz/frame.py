"""What the pages have in common: a file of their own, and a frame in a notebook."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from importlib import resources
from typing import Any

from .draw import _write, bundle


class Framed:
    """A page: `.html`, `.save(path)`; notebooks show it in a frame that may run its program and nothing else."""

    title = ""  # of the frame

    @property
    def html(self) -> str:
        """The page as text."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, all of it or nothing."""
        _write(os.fspath(path), self.html.encode())

    def _repr_html_(self) -> str:
        inner = html.escape(self.html)
        return (
            f'<iframe srcdoc="{inner}" sandbox="allow-scripts" width="100%" height="800" title="{self.title}"></iframe>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return bundle(self, self._repr_html_, "text/html")


def asset(name: str) -> str:
    """A file of page/."""
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """How a page's policy names a style or a program that may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
