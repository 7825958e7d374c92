"""Reflex cameras, over libgphoto2."""
