"""enrollctl, for technicians, and the demo: only clients of the gRPC API."""
