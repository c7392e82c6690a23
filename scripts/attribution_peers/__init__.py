"""Other attribution libraries behind one call, one file each.

`score` of each file takes a model, rows and queries and returns [num_train, num_queries]: positive where more of the
row lowers the query's loss, which is summed over the tokens that have one. Settings are the library's own defaults
unless a comment gives the reason for another.
"""
