"""What the models of scanners share that only send pictures.

faults    what may be made to go wrong
firmware  what it says of itself, pipes, exposures, lamp; each scanner's wire is added in its own package
stub      a scanner behind a USB/IP server, with the hand's HTTP port
"""
