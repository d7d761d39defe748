"""Texts of others, made fit to be shown: in a log, on a terminal, on Tilt's page. Pure.

What a cluster answers becomes part of messages, and who writes it may be nobody's friend.
"""


def plain(text: str) -> str:
    """Leave out what moves a terminal's cursor, or hides or turns around what is written.

    Lines stay lines, since commands to be typed stand on lines of their own.
    """
    if text.isprintable():
        return text
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
