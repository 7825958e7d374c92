"""USB: the only users of pyusb, over libusb or USB/IP."""
