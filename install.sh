#!/bin/sh
# Builds capture-hook and installs it without root: the command, its completions and manual pages, and a DVC of its own
# where none is found. Says what it did; a second run changes only what is out of date.
set -eu

DVC_VERSION=3.67.1

usage() {
    cat <<'EOF'
usage: ./install.sh [--prefix DIR] [--with KIND] [--dev] [--demo]
       ./install.sh --uninstall [--prefix DIR]

  --prefix DIR   where to install (default: ~/.local); the command goes to DIR/bin
  --with KIND    DVC's support for a kind of remote: s3, gs, azure, ssh, ... (may be repeated)
  --dev          build without optimisation: quick to build, slow to run
  --demo         then show the whole way in a scratch repository
  --uninstall    remove what an earlier run installed
  --help         this text
EOF
}

say() { printf '%s\n' "$*"; }
step() { printf '  %-12s %s\n' "$1" "$2"; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done
    exit 3
}

prefix=${HOME:+$HOME/.local}
extras=''
profile=release
demo=no
uninstall=no
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) [ $# -gt 1 ] || { usage >&2; exit 2; }; prefix=$2; shift ;;
    --prefix=*) prefix=${1#*=} ;;
    --with) [ $# -gt 1 ] || { usage >&2; exit 2; }; extras=${extras:+$extras,}$2; shift ;;
    --with=*) extras=${extras:+$extras,}${1#*=} ;;
    --dev) profile=dev ;;
    --demo) demo=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'error: unknown option %s\n' "$1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$prefix" ] || die 'HOME is not set' 'say where to install: ./install.sh --prefix DIR'
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
case $extras in *[!a-z0-9,]*) die "not a kind of remote: $extras" 'for example: ./install.sh --with s3' ;; esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
bin=$prefix/bin
share=$prefix/share
home=$share/capture-hook
venv=$home/dvc

if [ "$uninstall" = yes ]; then
    say "Removing capture-hook from $prefix"
    if [ -L "$bin/dvc" ] && [ "$(readlink "$bin/dvc")" = "$venv/bin/dvc" ]; then rm -f "$bin/dvc"; fi
    rm -f "$bin/capture-hook" "$bin/git-merge-capture-hook" \
        "$share/bash-completion/completions/capture-hook" \
        "$share/zsh/site-functions/_capture-hook" \
        "$share/fish/vendor_completions.d/capture-hook.fish" \
        "$share/man/man1/capture-hook.1" "$share"/man/man1/capture-hook-*.1
    rm -rf "$home"
    say 'Done. Hooks in your repositories stay: they say how to remove them when they run.'
    exit 0
fi

# --- what it takes -----------------------------------------------------------------------------------------------
# rustup's cargo looks for its toolchains in HOME; with another HOME, those of the account's own are as good.
if command -v cargo >/dev/null 2>&1 && ! cargo --version >/dev/null 2>&1 && [ -z "${RUSTUP_HOME:-}" ]; then
    own=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || true)
    if [ -n "$own" ] && [ -d "$own/.rustup" ]; then
        RUSTUP_HOME=$own/.rustup
        export RUSTUP_HOME
    fi
fi
cargo --version >/dev/null 2>&1 || die 'Rust is missing: no working cargo on PATH' \
    'install it from https://rustup.rs, or with your system: apt-get install cargo (needs Rust 1.89 or newer)'
command -v git >/dev/null 2>&1 || die 'git is missing' 'for example: apt-get install git'
command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 ||
    die 'a C compiler is missing' 'for example: apt-get install build-essential, or on macOS: xcode-select --install'

# A DVC that works, of major version 3.
dvc_ok() { case $("$1" --version 2>/dev/null || true) in 3.*) return 0 ;; *) return 1 ;; esac; }

python=''
need_python() {
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python3.9; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
            python=$candidate
            return
        fi
    done
    die 'Python 3.9 or newer with venv is missing: DVC needs it' \
        'for example: apt-get install python3 python3-venv' \
        'or install DVC yourself, so that dvc is on PATH, and run this again'
}

dvc=''
if [ -z "$extras" ]; then
    for candidate in "${CAPTURE_HOOK_DVC:-}" "$(command -v dvc 2>/dev/null || true)" "$venv/bin/dvc"; do
        if [ -n "$candidate" ] && dvc_ok "$candidate"; then
            dvc=$candidate
            break
        fi
    done
fi
[ -n "$dvc" ] || need_python

# --- build and install -------------------------------------------------------------------------------------------
say "Building capture-hook (the first time takes some minutes)"
if [ "$profile" = release ]; then
    cargo build --release --locked --manifest-path "$here/Cargo.toml"
else
    cargo build --locked --manifest-path "$here/Cargo.toml"
fi
target=${CARGO_TARGET_DIR:-$here/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
if [ "$profile" = release ]; then built=$target/release/capture-hook; else built=$target/debug/capture-hook; fi

say "Installing to $prefix"
# Into place by rename: a hook that runs right now sees the old command or the new one.
place() { # FROM TO
    mkdir -p "$(dirname "$2")"
    if cmp -s "$1" "$2"; then
        step 'up to date' "$2"
    else
        cp "$1" "$2.new.$$" && mv -f "$2.new.$$" "$2"
        step installed "$2"
    fi
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
place "$built" "$bin/capture-hook"
place "$here/hooks/git-merge-capture-hook" "$bin/git-merge-capture-hook"
"$built" completions bash >"$scratch/bash"
"$built" completions zsh >"$scratch/zsh"
"$built" completions fish >"$scratch/fish"
place "$scratch/bash" "$share/bash-completion/completions/capture-hook"
place "$scratch/zsh" "$share/zsh/site-functions/_capture-hook"
place "$scratch/fish" "$share/fish/vendor_completions.d/capture-hook.fish"
mkdir -p "$scratch/man"
"$built" man --dir "$scratch/man" >/dev/null
for page in "$scratch"/man/*.1; do
    mkdir -p "$share/man/man1"
    cmp -s "$page" "$share/man/man1/${page##*/}" || cp "$page" "$share/man/man1/"
done
step installed "$share/man/man1/capture-hook*.1"

# --- DVC ---------------------------------------------------------------------------------------------------------
if [ -n "$dvc" ]; then
    step 'found DVC' "$dvc ($("$dvc" --version))"
else
    wanted="dvc${extras:+[$extras]}==$DVC_VERSION"
    if [ ! -x "$venv/bin/dvc" ] || [ "$(cat "$venv/requirement" 2>/dev/null || true)" != "$wanted" ]; then
        say "Installing $wanted into $venv"
        mkdir -p "$home"
        rm -rf "$venv.new"
        # Made where it stays, since a virtual environment knows its own path; unfinished ones lack the stamp.
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input "$wanted"
        printf '%s' "$wanted" >"$venv/requirement"
    fi
    dvc=$venv/bin/dvc
    step installed "$dvc ($("$dvc" --version))"
fi
if [ "$dvc" = "$venv/bin/dvc" ] && [ ! -e "$bin/dvc" ]; then
    rm -f "$bin/dvc"
    ln -s "$venv/bin/dvc" "$bin/dvc"
    step linked "$bin/dvc"
fi

case ":$PATH:" in
*":$bin:"*) ;;
*)
    say
    say "$bin is not on your PATH. Add it:"
    # shellcheck disable=SC2016 # for the reader's shell to expand, not for ours
    printf '    export PATH="%s:$PATH"\n' "$bin"
    ;;
esac
say
say 'Next, in your repository: capture-hook init'

if [ "$demo" = yes ]; then
    say
    PATH=$bin:$PATH
    export PATH
    "$bin/capture-hook" demo
fi
