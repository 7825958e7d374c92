"""How a reader gets in, and speaks on: what ICAO Doc 9303-11 asks of an inspection system.

password          the MRZ's three fields, or the CAN
keys              what is derived from a password or an agreed secret
curve             points of elliptic curves
bac, pace         how the reader proves that it knows the password
secure_messaging  carries what follows
opening           which of them, by what card and profile have

All speak through a `Transmit`; chance is handed in. A password is tried once: who has another one calls again.
"""
