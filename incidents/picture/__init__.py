"""One picture of what happened: lanes of bands and marks on one axis of time. Pure.

`model` says what is known and what is not, `layout` where it is drawn. Neither knows
rows, pages or colours: a state is named, and who draws it looks up its tone.
"""
