"""What was promised of a fix, and was it kept?"""
