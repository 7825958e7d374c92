"""enrollctl device selftest: the report of a device's self-test, as JSON and on one page."""
