"""The operator's own socket, `wait.sock`, which tells whether a pod takes a connection.

`kubefwd-operator wait` asks, the operator answers: one line each way, and no byte of data. It lies
beside `helper.sock` in the developer's run directory, so it can be found by the instance alone, and
only the developer and root may ask.
"""
