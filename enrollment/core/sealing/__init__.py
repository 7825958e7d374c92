"""Signed, sealed packages and their receipts; docs/package-format.md has every byte."""
