"""A stand-in for kubefwd: standard library only, so that it can play the pinned binary.

Same command line, environment, address, routes, log lines and habits as kubefwd 1.25.16, as far as
the operator meets them. `../test_api.py` and `../test_forwards.py` hold both to one contract, and
where the real one differs, this one is wrong. It reads a kubeconfig in JSON (which is YAML), looks
at the cluster five times a second instead of watching it, and forwards over WebSockets. What is
left to chance in the real one is not in it: its reconnect leaves no listeners behind.

`binary.py` packs it into one executable file. Its defects are switched by `PUT /stand-in/defects`
(no key), or before it starts by the same JSON in /run/kubefwd-stand-in.json:

  hang, hang_delete         no call, no DELETE is ever answered
  open                      nobody is asked for the key, as before 1.25.15
  no_api                    (at the start) the API is not bound, though the log says so
  ignore_term               SIGTERM is not heard
  exhausted                 no address is left: rows say <nil>, 127.0.0.1 listens
  crash                     it ends at once with code 2, and cleans nothing up
  stall                     seconds until a half-open connection is complained of (30)
  vanish, early, stuck, half_open    {"SERVICE.NAMESPACE": CURE}, where CURE is the least of sync,
      reconnect, service, namespace, restart that helps. There is no row; the row is Active but
      nothing listens; it stays Connecting; connections are accepted and nothing comes back.
"""
