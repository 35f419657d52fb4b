"""The files that one stage writes and another reads: their paths, and how to write and read them.

There is one module per boundary: `reviews` (download to vectorize), `features` (vectorize to train and evaluate) and
`model` (train to evaluate and predict). Paths are relative to the folder of the project, in which DVC runs the stages.
Files hold no times and no names of machines, so that equal content gives equal bytes.
"""
