"""`samesku load`: a catalogue file becomes changes on Kafka, at a pace that leaves room for live ones."""
