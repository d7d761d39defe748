"""What concerns the kubefwd engine alone: whoever reads for the native one may leave it out.

The rest of the helper asks `process.Kubefwd` for its verbs, its output and its addresses.
"""
