"""What may be concluded from scores?"""
