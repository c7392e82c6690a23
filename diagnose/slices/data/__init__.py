"""Which rows are behind the failures?"""
