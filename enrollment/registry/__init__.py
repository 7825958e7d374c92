"""The national end: takes sealed packages from stations, keeps the ledger, answers signed receipts."""
