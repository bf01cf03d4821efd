"""The report card: one page that says what a bundle can do, beside what others can, with every number counted."""
