#!/bin/sh
# Turns a dialog program into what `sudo -A` asks: sudo's prompt is the argument, the password goes
# to stdout, from the dialog straight to sudo. Which dialog is in KUBEFWD_OPERATOR_DIALOG; texts are
# arguments to it, never a part of its code.

title=kubefwd-operator

case ${KUBEFWD_OPERATOR_DIALOG##*/} in
zenity)
    exec "$KUBEFWD_OPERATOR_DIALOG" --entry --hide-text --title="$title" --text="$1"
    ;;
kdialog)
    exec "$KUBEFWD_OPERATOR_DIALOG" --title "$title" --password "$1"
    ;;
osascript)
    exec "$KUBEFWD_OPERATOR_DIALOG" \
        -e 'on run texts' \
        -e 'set said to display dialog (item 1 of texts) with title (item 2 of texts) default answer "" with hidden answer with icon caution' \
        -e 'return text returned of said' \
        -e 'end run' \
        "$1" "$title"
    ;;
*)
    echo "askpass.sh: '$KUBEFWD_OPERATOR_DIALOG' is not a dialog that it knows" >&2
    exit 1
    ;;
esac
