"""Names for the values of a program: the user's, then the article's letters."""

from __future__ import annotations

from typing import Any

from ..symbolic.trace import Trace
from .listing import Listing


def name_values(listing: Listing, trace: Trace, given: Any) -> None:
    """Give names to the Values of a listing."""
