"""Does a text repeat an evaluation item?"""
