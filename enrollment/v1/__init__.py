"""Generated from protos/ by protos/generate; never edited."""
