"""The lab: a real cluster, a real Tilt and a real sudo on one machine, without Docker.

tools      the programs: from PATH, or built once per machine into a cache
proc       one server: healthy, exited or timed out, whichever comes first
cluster    etcd, kube-apiserver, controllers, scheduler, kwok, port-forward endpoint, backends
backends   what answers in the pods
isolate    a namespace of the kernel's with its own /etc and its own user, for one module of tests
user       that user: its environment, its sudo, its askpass
tilt       `tilt up` of that user
fixtures   all of it as pytest fixtures
forwarding what a developer sees of the forwarding: names, answers, the status, what is left
services   one namespace with one service a file, for the Tiltfile of every scenario
demo       the main job, for people: `python -m tests.lab.demo`
"""
