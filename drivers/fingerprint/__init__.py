"""Fingerprint scanner drivers, one folder a family."""
