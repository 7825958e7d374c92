"""A software model of the DigitalPersona U.are.U 4500 and of the Microsoft Fingerprint Reader v2.

models        what the two say of themselves
key_register  the generator behind the scrambling
image_block   picture -> the bytes of the bulk transfer
power         HWSTAT, power-up and the challenge
firmware      registers, modes, interrupts, transfers
faults        what may be made to go wrong
stub          all of it together, on two ports

Written from the protocol facts alone; it shares no line and no constant with any driver.
"""
