"""ZKTeco ZK4500."""
