"""What the student is trained and measured on: pair files, splits by product, and the guard that keeps tests out of training."""
