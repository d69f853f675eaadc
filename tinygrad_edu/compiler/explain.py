"""What the passes have done, as a table for people.

The passes themselves stand where they happen: equal calls are merged and constants folded as calls are
noted (cells.py), dead calls and needless copies dropped (listing.py), factors moved (reassociate.py), memory planned
and writes moved into the tensors (memory.py), views made beforehand (emit.py), calls fused (kernels/).
"""

from __future__ import annotations

import textwrap

from .calls import Call
from .listing import Listing
from .memory import Memory

WIDEST = 100  # columns of the table


def explanation(listing: Listing, memory: Memory) -> str:
    """A line per pass: what it found, and what it left."""
    lines = [line for line in listing.lines if isinstance(line, Call)]
    made = [v for line in lines for v in line.results if getattr(v.data, "ndim", 0) and v not in memory.root]
    nbytes = sum(v.data.nbytes for v in made)
    stored = [v for v in made if v in memory.place or v in memory.into]
    writes, into = len(listing.writes), sum(value in memory.into for _, value in listing.writes)
    copied = writes - into
    at_end = f"; {copied} copied at the end: numbers, and what is still read or laid out otherwise"
    *parts, last = dict.fromkeys(line.section or "forward" for line in lines) or ("forward",)
    rows = [
        ("operations of the trace", f"{listing.equations}, {', '.join(parts)}{' and ' if parts else ''}{last}"),
        ("NumPy calls that they make", f"{listing.made}"),
        ("- calls made before, on the same values", f"{listing.merged}"),
        ("- calls that change nothing, such as 1 * X", f"{listing.unchanged}"),
        ("- calls whose result nobody needs", f"{listing.dead}"),
        ("- copies of what nothing else reads", f"{listing.copies}"),
        *([(f"- calls spared by moving {listing.moved} factors", f"{listing.spared}")] if listing.moved else []),
        ("= calls of the program", f"{len(lines)}"),
        ("arrays that the calls make", f"{len(made)}, {nbytes:,} bytes"),
        (
            "put into memory that is kept",
            f"{len(stored)}, into tensors or {len(memory.blocks)} blocks of {memory.nbytes:,} bytes, used in turn",
        ),
        ("made anew at every call", f"{len(made) - len(stored)}"),
        ("tensors written in place", f"{into} of {writes}" + (at_end if copied else "")),
    ]
    width = max(len(what) for what, _ in rows)
    return "\n".join(
        textwrap.fill(f"{what:<{width}}  {figure}", WIDEST, subsequent_indent=" " * (width + 2))
        for what, figure in rows
    )
