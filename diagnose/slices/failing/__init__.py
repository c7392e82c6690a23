"""Which items fail?"""
