"""Which rows among many?"""
