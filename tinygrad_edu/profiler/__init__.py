"""Where the time goes: per primitive, per module, and how much of it is matrix products.

    with profile() as p:
        train(...)
    print(p.table())
    p.export_chrome_trace("trace.json")  # for Perfetto or chrome://tracing

PyTorch's names where it has them (torch.profiler). Nothing of it exists in the engine while no profile runs.
"""

from .profile import ProfilerActivity, profile, record_function

__all__ = ["ProfilerActivity", "profile", "record_function"]
