"""Captures: a leased device's frames, judged, and the kept try stored in the dossier."""
