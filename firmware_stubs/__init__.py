"""The other end of the wire: software models of devices' firmware, each run as a process of its own.

They are written from published protocols and recordings, and share nothing with the drivers that they answer:
constants exist twice, so that a mistake on one side shows.
"""
