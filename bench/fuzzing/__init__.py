"""Fuzz targets of the core's readers of octets, and the process that runs one; `bench/fuzz.py` runs them all."""
