"""The gRPC face of the service: thin servicers, one interceptor, one table of errors."""
