"""What the passes have done, as a table for people.

The passes themselves stand where they happen: equal calls are merged and constants folded as calls are
noted (cells.py), dead calls dropped (listing.py), memory planned and writes moved into the tensors
(memory.py), views made beforehand (emit.py).
"""

from __future__ import annotations

from .cells import Call
from .listing import Listing
from .memory import Memory


def changes(listing: Listing, memory: Memory) -> str:
    """A line per pass: what was there before it, and after."""
    lines = [line for line in listing.lines if isinstance(line, Call)]
    made = [v for line in lines for v in line.results if getattr(v.data, "ndim", 0) and v not in memory.root]
    nbytes = sum(v.data.nbytes for v in made)
    stored = [v for v in made if v in memory.place or v in memory.into]
    writes = len(listing.writes)
    rows = [
        ("equations of the trace", f"{listing.equations}"),
        ("NumPy calls that they make", f"{listing.made}"),
        ("equal calls merged", f"{listing.merged}, {listing.made - listing.merged} left"),
        ("dead calls dropped", f"{listing.dead}, {len(lines)} left"),
        ("arrays that the calls make", f"{len(made)}, {nbytes:,} bytes"),
        (
            "of them put into memory that is kept",
            f"{len(stored)}, in {len(memory.blocks)} blocks of {memory.nbytes:,} bytes",
        ),
        ("made anew at every call", f"{len(made) - len(stored)}"),
        ("tensors written in place", f"{len(memory.into)} of {writes}, the others copied at the end"),
    ]
    width = max(len(what) for what, _ in rows)
    return "\n".join(f"{what:<{width}}  {figure}" for what, figure in rows)
