"""A software model of the ZKTeco ZK4500; written from the public description alone."""
