"""A software model of the NEXT Biometrics NB-1010-U.

faults    what may be made to go wrong
sensor    what lies on it, what it feels and what it sees
firmware  commands and answers
stub      a scanner behind a USB/IP server, with the hand's HTTP port

Written from the protocol facts alone; it shares no line and no constant with any driver.
"""
