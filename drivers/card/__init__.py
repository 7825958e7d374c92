"""Encoders: readers of chip cards that are written or read."""
