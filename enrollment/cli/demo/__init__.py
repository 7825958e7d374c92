"""A whole station as processes on this machine, and one enrollment on it."""
