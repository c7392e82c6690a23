"""Pages for browsers: what the API tells, as people read it, and forms that ask the API.

A page changes nothing by itself. Its forms are sent to the API as JSON by `static/page.js`, so that a browser passes
the same checks as a program, and there is one way to do each thing. What is under way is told by events of the API,
at each of which htmx fetches a part of the page anew.
"""
