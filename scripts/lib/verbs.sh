# The program's verbs. Sourced by the scripts that write pages of them.

# verbs_below PROGRAM [VERB]...: one in a line, by its help.
verbs_below() { "$@" --help | sed -n '/^Subcommands:/,$s/^  \([a-z]\+\) .*/\1/p'; }
