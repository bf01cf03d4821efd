"""Models and rules that judge one claim of a rationale: is this verdict right for these two listings?"""
