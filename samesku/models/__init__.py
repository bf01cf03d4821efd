"""What `samesku models` shows and waits for."""
