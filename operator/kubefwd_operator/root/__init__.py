"""The only code that root runs. As a program it is `__main__.py`; core imports `helper.names`."""
