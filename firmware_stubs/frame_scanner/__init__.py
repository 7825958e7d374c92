"""What the models of scanners share that only send pictures: the glass, pipes with packets, faults, two ports.

glass     what the sensor sees: a finger, dirt, a ghost of the last finger, darkness
faults    what may be made to go wrong
bulk_in   a pipe of packets that come over time and wait to be read
firmware  counted transfers, exposures, lamp; each scanner's wire is added in its own package
stub      a scanner behind a USB/IP server, with the hand's HTTP port
"""
