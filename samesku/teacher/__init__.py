"""`samesku teacher`: what it reads from the log and how it shows itself; the teacher is `train.teacher`."""
