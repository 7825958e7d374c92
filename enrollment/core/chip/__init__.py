"""What an identity card's chip holds, as octets, and whether it can be trusted: no reader, no clock, no file.

Modules are named after the files of ICAO Doc 9303-10. What cannot be read raises MalformedRecord, what cannot be
trusted TrustFailure. A data group that was read is kept as it was read: one that is written anew may differ in octets
from what the document signer hashed.
"""
