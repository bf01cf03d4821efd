"""What the student is trained and measured on: pair files, splits by product, and the guard of the test sets."""
