"""Biometric records as the standards lay them out: one codec a standard, over bounded octets.

`reading` has the calls for whoever has octets; docs/records.md tells what is read, how strictly, and what was checked.
A decoder refuses (MalformedRecord) whatever does not fit, keeps codes and extended data that it does not know, and what
it decodes it encodes again byte for byte.
"""
