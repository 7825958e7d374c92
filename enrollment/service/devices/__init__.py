"""The station's devices: what is attached, who may use it, and the one thread that each is used by."""
