"""The kubefwd engine: one idle kubefwd behind the helper, driven by its REST API.

What kubefwd says of itself is never believed. What must be true comes from the catalog; what is
true comes from kubefwd's rows and from the sockets that listen.
"""
