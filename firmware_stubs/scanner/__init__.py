"""What the models of all scanners share, whatever their wire.

picture    what is laid on a platen: a file, or a synthetic finger
faults     what may go wrong with the glass and the cable, and which faults are armed
sensor     bare glass, noise, dead pixels and lines
glass      what the sensor sees: nothing, a finger, dirt, a ghost of the last finger, darkness
bulk_in    a bulk IN pipe: packets that come over time and wait to be read
device     the electronics on the bus: lamps and beepers, a cable that comes out
hand       HTTP: fingers, faults, plug, state
two_ports  a scanner that runs: USB/IP for the driver, HTTP for the hand
stub       such a one with a glass for one finger
"""
