#!/bin/sh
# capture-hook shim, version 2. Written by `capture-hook install`, taken away by `capture-hook uninstall`.
# The hook that was here before, if any, lies beside it as NAME.capture-hook-chained, and still runs, first.
hook='@HOOK@'
installed='@BINARY@'

case $0 in */*) chained="${0%/*}/$hook.capture-hook-chained" ;; *) chained="./$hook.capture-hook-chained" ;; esac
# A hook manager that kept this shim as its "legacy" hook calls us again: once is enough.
[ "${CAPTURE_HOOK_CHAINING-}" = "$hook $PWD" ] && exit 0
[ -x "$chained" ] || chained=

# A script for sh runs under the name that it had: some, husky's for one, go by it.
call_chained() {
    first=
    { IFS= read -r first <"$chained"; } 2>/dev/null || :
    case $first in
        '#!/bin/sh' | '#!/usr/bin/env sh')
            # shellcheck disable=SC2016 # expanded by that sh
            CAPTURE_HOOK_CHAINING="$hook $PWD" sh -c '. "$0.capture-hook-chained"' \
                "${chained%.capture-hook-chained}" "$@"
            ;;
        *) CAPTURE_HOOK_CHAINING="$hook $PWD" "$chained" "$@" ;;
    esac
}

run_chained() {
    call_chained "$@" || exit "$?"
}

# CAPTURE_HOOK=0 turns us off for one command; CAPTURE_HOOK_ACTIVE says that one of us called git.
if [ "${CAPTURE_HOOK-}" = 0 ] || [ -n "${CAPTURE_HOOK_ACTIVE-}" ]; then
    if [ -n "$chained" ]; then run_chained "$@"; fi
    exit 0
fi

# Whether a file lies in the working tree, at whose top git calls hooks.
is_inside() {
    dir=$(CDPATH='' cd -P -- "${1%/*}" 2>/dev/null && pwd -P)
    case $dir/ in "$(pwd -P)"/*) ;; *) return 1 ;; esac
}

binary=$(command -v capture-hook)
# Neither a relative entry of PATH nor one in the working tree must let a repository choose the program.
case $binary in /* | [A-Za-z]:*) ;; *) binary=$installed ;; esac
missing="there is no capture-hook on PATH, nor at $installed"
if is_inside "$binary"; then
    binary=$installed
    if is_inside "$binary" && [ -n "$(git ls-files -- ":(icase,literal)$binary")" ]; then
        missing="git tracks $binary, so it is not run"
        binary=
    fi
fi
if [ ! -x "$binary" ]; then
    if [ -n "$chained" ]; then run_chained "$@"; fi
    case $hook in
        pre-commit | pre-push)
            echo "error: $hook: $missing" >&2
            echo "hint: install it again, or turn the hooks off for one command: CAPTURE_HOOK=0 git ..." >&2
            exit 1
            ;;
    esac
    echo "warning: $hook: $missing: not run" >&2
    exit 0
fi

if [ -n "$chained" ]; then
    case $hook in
        pre-push | post-rewrite)
            # Both read what git sends on standard input.
            input=$(cat)
            feed() { if [ -n "$input" ]; then printf '%s\n' "$input"; fi; }
            feed 2>/dev/null | call_chained "$@" || exit "$?"
            feed 2>/dev/null | "$binary" hook "$hook" "$@"
            exit "$?"
            ;;
    esac
    run_chained "$@"
fi
exec "$binary" hook "$hook" "$@"
