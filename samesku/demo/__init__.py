"""The demo: a catalogue of its own, streamed through the real parts."""
