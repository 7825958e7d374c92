"""The station's keys."""
