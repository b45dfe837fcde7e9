"""What we think: pure functions on frozen values. No I/O, no clock, no framework."""
