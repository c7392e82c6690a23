"""Who may ask the server for what: tokens, sign-in, and what every request has to pass before it is answered."""
