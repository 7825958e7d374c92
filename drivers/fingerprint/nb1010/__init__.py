"""NEXT Biometrics NB-1010-U."""
