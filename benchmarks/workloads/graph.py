"""Is the cost of a graph linear in its size? Time per node at 10,000 to 1,000,000 nodes.

A chain of 0-d additions and multiplications, built, differentiated and let go. Python's cyclic
collector walks all living containers again and again, so it is measured both off and on.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Bar, Step, Workload

NODES = 10_000, 100_000, 1_000_000

WORKLOAD = Workload(
    "graph",
    "does time per node stay the same as the graph grows?",
    rounds=(5, 1),
    unit="node",
)


def enter(nodes: int, collector: bool) -> str:
    name = f"tinygrad_edu {nodes:,} nodes, collector {'on' if collector else 'off'}"

    @WORKLOAD.contender(name)
    def build() -> Step:
        import tinygrad_edu as torch

        x = torch.tensor(1.0, requires_grad=True)

        def step() -> Any:
            x.grad = None
            y = x
            for _ in range(nodes // 2):
                y = y * 0.999
                y = y + 0.001
            y.backward()

        return step

    WORKLOAD.nodes[name] = nodes
    WORKLOAD.collector[name] = collector
    return name


for on, limit in (False, 1.3), (True, 2.5):
    names = [enter(nodes, on) for nodes in NODES]
    WORKLOAD.bars += (Bar(names[-1], names[0], limit),)
WORKLOAD.steps = {name: max(NODES[-1] // nodes // 10, 1) for name, nodes in WORKLOAD.nodes.items()}
