"""Where attribute verdicts and sentences come from: a teacher's rationales, or what labels and listings imply."""
