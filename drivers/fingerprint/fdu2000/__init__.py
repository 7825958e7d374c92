"""SecuGen FDU2000, sold as Hamster III."""
