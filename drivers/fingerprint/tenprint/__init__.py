"""Ten-print slap scanners that speak the slap scanner protocol, version 1 (docs/slap-scanner-protocol.md)."""
