"""cuDNN's switches. Results are the same from run to run here, whatever they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

enabled = True
benchmark = False
benchmark_limit: int | None = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether cuDNN computes: no."""
    return False


def version() -> int | None:
    """cuDNN's version: None."""
    return None


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """The switches for a block; they have no effect, but read as they are set."""
    ours = globals()
    wanted = {
        "enabled": enabled,
        "benchmark": benchmark,
        "benchmark_limit": benchmark_limit,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }
    before = {name: ours[name] for name in wanted}
    ours.update(wanted)
    try:
        yield
    finally:
        ours.update(before)
