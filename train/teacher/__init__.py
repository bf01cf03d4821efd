"""The teacher: a pipeline on a large model that writes rationales offline, and stays as an oracle of the student."""
