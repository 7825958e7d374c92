"""Futronic FS81."""
