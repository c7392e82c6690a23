"""Tell people, by webhooks and e-mail, what loops have come to: a verdict, a question, a failure, a worse night.

What is to be told is written down in the same transaction as the end of the stretch that it is about, and sent until
somebody has it: at least once, by one server at a time.
"""
