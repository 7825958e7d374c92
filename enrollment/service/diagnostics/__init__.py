"""For technicians: checks of the station with their remedies, self-tests, wire logs and counters. Nothing personal."""
