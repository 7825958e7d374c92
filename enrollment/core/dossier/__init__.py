"""What a visit must bring, what it has brought, and which change is allowed when."""
