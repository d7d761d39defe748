"""The developer's cluster: credentials, a raw JSON client, and the catalog of services."""
