"""The contract: everything two rooms must agree on. Types and pure functions, no I/O."""
