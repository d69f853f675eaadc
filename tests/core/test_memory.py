"""Freed memory stays with the process."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import tinygrad_edu

resource = pytest.importorskip("resource", reason="page faults are counted on Unix")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other ways")
def test_a_steps_arrays_are_no_new_pages():
    """Arrays of a megabyte made and freed in rounds come from memory that the process has already."""
    assert tinygrad_edu.__version__  # the import is what sets the limits

    def arrays():
        return [np.ones(1 << 18, np.float32) for _ in range(8)]  # 2048 pages

    for _ in range(3):
        arrays()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        arrays()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 2048  # without it 20,480
