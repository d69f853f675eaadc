"""Reads everything, for people: a graph as plain data, and pictures of it."""

from .draw import Drawing, draw
from .graph import Edge, Graph, Value, graph

__all__ = ["Drawing", "Edge", "Graph", "Value", "draw", "graph"]
