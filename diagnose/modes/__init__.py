"""In what way is an answer wrong?"""
