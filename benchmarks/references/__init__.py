"""Plain, correct references: what a textbook or the usual package does, written without any of our savings."""
