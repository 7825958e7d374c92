"""A software model of the SecuGen FDU2000; written from the public description alone."""
