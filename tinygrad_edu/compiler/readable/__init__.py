"""The readable source: a program as the hand-written backprop of a textbook.

`source.py` writes it, from lines that `textbook.py` has put as a textbook would; `phrasing.py` spells each.
"""
