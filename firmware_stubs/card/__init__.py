"""A chip card: ISO/IEC 7816-4 files under access rules, GlobalPlatform SCP03, and the chip protocols of ICAO 9303-11.

apdu         commands and status words
memory       what outlives the power: files, keys, counters; one JSON file, replaced atomically
profile      what a kind of card offers, as data
files        SELECT, READ and UPDATE BINARY, CREATE FILE; who may
scp03        the personaliser's channel, card side
bac, pace    how a reader proves that it may; secure_messaging carries what follows
genuineness  active and chip authentication
passwords    MRZ and CAN
curve        points for PACE
card         what an APDU is answered: chaining, GET RESPONSE, life cycle
faults       what may go wrong, as data
reader_slot  vpcd's wire: the card in a slot of a virtual reader of the real pcscd
pcscd        starts that pcscd with a socket and readers of its own
serving      the process: slots, control port
"""
