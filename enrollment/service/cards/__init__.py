"""Chip cards: what a dossier's card holds, how an encoder writes and reads it."""
