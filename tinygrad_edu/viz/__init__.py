"""Reads everything, for people: a graph as plain data, pictures of it, and what a terminal shows."""

from .draw import Drawing, draw
from .explore import Page, explore
from .graph import Edge, Graph, Value, graph
from .keep import keep
from .record import Look, Training, record
from .steps import Steps, steps
from .tree import Tree, tree

__all__ = [
    "Drawing",
    "Edge",
    "Graph",
    "Look",
    "Page",
    "Steps",
    "Training",
    "Tree",
    "Value",
    "draw",
    "explore",
    "graph",
    "keep",
    "record",
    "steps",
    "tree",
]
