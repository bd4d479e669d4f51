"""Bucket policies: JSON text -> compiled statements -> a verdict. Pure; knows no bucket, no request and no web.

`document` reads and checks, `conditions` has the operators, `names` the actions, `exposure` says what is public.
"""
