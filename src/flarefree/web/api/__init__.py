"""The API: every command and every reading of the application for other programs, with the same rules.

Takes JSON with a bearer token and a request id; gives JSON, or a problem in words.  Operations are made from
`commands.registry`, so that a new command is in the API, in its OpenAPI document and in the tests at once.
Begin reading at `application.py`.
"""
