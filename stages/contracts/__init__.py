"""What one stage hands to the next: the files, where they are, how they are written and how they are read.

One module per seam: `reviews` (download to vectorize), `features` (vectorize to train and evaluate) and `model` (train
to evaluate and predict). Paths are relative to the project's folder, where DVC runs the stages. Every file is a
function of its content alone: it holds no times and no names of machines.
"""
