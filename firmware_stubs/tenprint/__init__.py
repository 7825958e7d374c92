"""A software model of a ten-print slap scanner that speaks the slap scanner protocol, version 1.

description  what it says of itself on the bus
layout       its messages as bytes
faults       what may be made to go wrong
hands        whose fingers may be laid down: slaps and rolled prints by a person's seed
sensor       what lies on the glass, and what the sensor sees of it: noise, dirt, latent prints, the roll
firmware     commands, answers, frames
stub         all of it behind a USB/IP server, with the hand's HTTP port

Written from docs/slap-scanner-protocol.md alone; it shares no line and no constant with any driver.
"""
