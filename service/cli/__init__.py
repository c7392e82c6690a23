"""The service on the command line: its server, and the verbs that ask it for something."""
