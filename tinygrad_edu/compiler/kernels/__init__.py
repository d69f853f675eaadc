"""The accelerated engine: calls fused into kernels, which Numba compiles.

`engine.py` writes the program, `fuse.py` says which calls one kernel computes, `loops.py` writes its text.
"""
