"""The helper's modules. They import each other relatively, and else the standard library only."""
