"""Biometric records as the standards lay them out: one codec a standard, over bounded octets.

A decoder is strict: whatever the standard does not allow raises MalformedRecord, and what it decodes it encodes again
byte for byte.
"""
