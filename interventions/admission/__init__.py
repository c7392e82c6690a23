"""Which rows may enter?"""
