"""The index held against the topics that it is made from."""
