"""A software model of the Futronic FS81; written from the public description alone."""
