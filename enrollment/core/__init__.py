"""Pure: arrays and bytes in, values out. No clock, file, socket, thread, proto or database."""
