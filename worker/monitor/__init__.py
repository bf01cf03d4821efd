"""The monitor: what became of the stream of decisions, told without labels.

`facts` turns an event into counts, `store` adds them to its window in Redis (once, whoever reads it how often),
`watch` compares closed windows with the reference of their stream, and `application` is the Faust app around them.
Everything but `application`, `driver` and `running` works without Faust.
"""
