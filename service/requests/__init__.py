"""What may be asked of the service, whoever asks: the command line, or a browser or a program over HTTP.

Everything is checked before anything is stored, and done by the servers of the home, one of which need not run yet.
"""
