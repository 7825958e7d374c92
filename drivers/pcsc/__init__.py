"""PC/SC: the only users of pyscard, each in a process of its own."""
