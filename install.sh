#!/bin/sh
# Installs capture-hook without root: the command, its completions and manual pages, and a DVC of its own if none is found.
# The command comes from a wheel that is named, else from the release that this source is, else it is built. Says what it
# did; a second run changes only what is out of date.
set -eu

DVC_VERSION=3.67.1
# Installs DVC faster than pip, which does it if uv cannot be fetched.
UV_VERSION=0.13.9

usage() {
    cat <<'EOF'
usage: ./install.sh [--prefix DIR] [--with KIND] [--wheel FILE | --build | --dev] [--demo]
       ./install.sh --uninstall [--prefix DIR]

  --prefix DIR    where to install (default: ~/.local); the command goes to DIR/bin
  --with KIND     DVC's support for a kind of remote: s3, gs, azure, ssh, ... (may be repeated)
  --wheel FILE    take the command out of this wheel: needs no Rust
  --releases URL  where the releases are (default: those of the clone's origin on GitHub)
  --build         build, even if this source is a release that has wheels
  --dev           build without optimisation: quick to build, slow to run
  --demo          then show the whole workflow in a temporary repository
  --uninstall     remove what an earlier run installed
  --help          this text

Without --wheel, --build and --dev: a clean clone at the tag of a release takes the released wheel; all else is built.
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
wheel=''
releases=''
build=no
demo=no
uninstall=no
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) [ $# -gt 1 ] || { usage >&2; exit 2; }; prefix=$2; shift ;;
    --prefix=*) prefix=${1#*=} ;;
    --with) [ $# -gt 1 ] || { usage >&2; exit 2; }; extras=${extras:+$extras,}$2; shift ;;
    --with=*) extras=${extras:+$extras,}${1#*=} ;;
    --wheel) [ $# -gt 1 ] || { usage >&2; exit 2; }; wheel=$2; shift ;;
    --wheel=*) wheel=${1#*=} ;;
    --releases) [ $# -gt 1 ] || { usage >&2; exit 2; }; releases=$2; shift ;;
    --releases=*) releases=${1#*=} ;;
    --build) build=yes ;;
    --dev) profile=dev build=yes ;;
    --demo) demo=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'error: unknown option %s\n' "$1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[ -n "$prefix" ] || die 'HOME is not set' 'say where to install: ./install.sh --prefix DIR'
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
case $releases in
'' | https://* | file:///*) ;;
*) die "not an https or file address: $releases" 'for example: ./install.sh --releases https://github.com/OWNER/NAME/releases/download' ;;
esac
if [ -n "$wheel" ] && [ "$build" = yes ]; then
    die '--wheel excludes --build and --dev' 'leave one of them out'
fi
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
    # The directories that an installation makes, if nothing else is in them.
    for dir in "$share/bash-completion/completions" "$share/bash-completion" "$share/zsh/site-functions" "$share/zsh" \
        "$share/fish/vendor_completions.d" "$share/fish" "$share/man/man1" "$share/man" "$share" "$bin" "$prefix"; do
        rmdir "$dir" 2>/dev/null || true
    done
    say 'Done. Hooks in your repositories stay: they say how to remove them when they run.'
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# --- a released wheel --------------------------------------------------------------------------------------------
fetch() { # ADDRESS FILE
    case $1 in
    file:///*) cp "${1#file://}" "$2" 2>/dev/null ;;
    # A release page redirects: never to anything but https.
    *) curl --proto '=https' --tlsv1.2 --fail --silent --location --max-time 300 --output "$2" "$1" 2>/dev/null ;;
    esac
}

# The names of wheels for this machine, as a pattern for `case`.
wheel_pattern() {
    case $(uname -s) in
    Linux) if ls /lib/ld-musl-* >/dev/null 2>&1; then libc=musllinux; else libc=manylinux; fi ;;
    Darwin) libc=macosx ;;
    *) return 1 ;;
    esac
    printf 'capture_hook-*-abi3-%s_*_%s.whl\n' "$libc" "$(uname -m)"
}

release_page() {
    origin=$(git -C "$here" remote get-url origin 2>/dev/null) || return 1
    case $origin in
    https://github.com/*/*) origin=${origin#https://github.com/} ;;
    git@github.com:*/*) origin=${origin#git@github.com:} ;;
    *) return 1 ;;
    esac
    printf 'https://github.com/%s/releases/download\n' "${origin%.git}"
}

# Sets `wheel` if this source is that of a release, unchanged: for any other, a released program is another program.
find_released_wheel() {
    [ -e "$here/.git" ] || return 0
    tag=$(git -C "$here" describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null) || return 0
    [ -z "$(git -C "$here" status --porcelain --untracked-files=no 2>/dev/null)" ] || return 0
    page=${releases:-$(release_page)} || return 0
    pattern=$(wheel_pattern) || return 0
    if ! fetch "$page/$tag/SHA256SUMS" "$scratch/SHA256SUMS"; then
        say "No release $tag found at $page: building it"
        return 0
    fi
    while read -r sum name; do
        name=${name#\*}
        case $name in */*) continue ;; esac
        # shellcheck disable=SC2254 # it is a pattern
        case $name in $pattern) ;; *) continue ;; esac
        say "Fetching $name of release $tag"
        fetch "$page/$tag/$name" "$scratch/$name" ||
            die "cannot fetch $page/$tag/$name" 'build instead: ./install.sh --build'
        found=$({ sha256sum "$scratch/$name" 2>/dev/null || shasum -a 256 "$scratch/$name"; } | cut -d' ' -f1)
        [ "$found" = "$sum" ] ||
            die "$name has another checksum than in SHA256SUMS of release $tag" 'build instead: ./install.sh --build'
        wheel=$scratch/$name
        return 0
    done <"$scratch/SHA256SUMS"
    say "Release $tag has no wheel for this machine: building it"
}

if [ -z "$wheel" ] && [ "$build" = no ]; then find_released_wheel; fi

# --- what it takes -----------------------------------------------------------------------------------------------
need_rust() {
    # rustup's cargo looks for its toolchains in HOME; with another HOME, those of the account's own are as good.
    if command -v cargo >/dev/null 2>&1 && ! cargo --version >/dev/null 2>&1 && [ -z "${RUSTUP_HOME:-}" ]; then
        own=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || true)
        if [ -n "$own" ] && [ -d "$own/.rustup" ]; then
            RUSTUP_HOME=$own/.rustup
            export RUSTUP_HOME
        fi
    fi
    cargo --version >/dev/null 2>&1 || die 'Rust is missing: no working cargo on PATH' \
        'take a wheel, which needs no Rust: ./install.sh --wheel FILE' \
        'or install it from https://rustup.rs, or with your system: apt-get install cargo (needs Rust 1.89 or newer)'
    command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 ||
        die 'a C compiler is missing' 'for example: apt-get install build-essential, or on macOS: xcode-select --install'
}
[ -n "$wheel" ] || need_rust
command -v git >/dev/null 2>&1 || die 'git is missing' 'for example: apt-get install git'

# A DVC that works, of major version 3.
dvc_ok() { case $("$1" --version 2>/dev/null || true) in 3.*) return 0 ;; *) return 1 ;; esac; }

python=''
need_python() { # MODULES PURPOSE
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
        if "$candidate" -c "import sys, $1; sys.exit(sys.version_info < (3, 9))" >/dev/null 2>&1; then
            python=$candidate
            return
        fi
    done
    die "Python 3.9 or newer with venv is missing: $2 needs it" 'for example: apt-get install python3 python3-venv' \
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
if [ -z "$dvc" ]; then
    need_python venv,ensurepip DVC
elif [ -n "$wheel" ]; then
    need_python zipfile 'unpacking a wheel'
fi

# --- the command, and what comes with it -------------------------------------------------------------------------
# Laid out as it is installed, from a wheel or out of a build.
made=$scratch/made
mkdir -p "$made/bin" "$made/share/man/man1"
if [ -n "$wheel" ]; then
    [ -f "$wheel" ] || die "there is no file $wheel"
    "$python" - "$wheel" "$made" <<'EOF' || die "$wheel is not a whole wheel of capture-hook" 'fetch it again'
import base64, csv, hashlib, io, sys, zipfile
from pathlib import Path, PurePosixPath

places = {"scripts": "bin", "data": ""}
try:
    wheel = zipfile.ZipFile(sys.argv[1])
    record = next(name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    for name, digest, _ in csv.reader(io.StringIO(wheel.read(record).decode())):
        path = PurePosixPath(name)
        if path.parts[0] != record.split(".dist-info/")[0] + ".data":
            continue
        if ".." in path.parts or len(path.parts) < 3 or path.parts[1] not in places:
            sys.exit(f"error: {name} belongs to no directory of a command")
        content = wheel.read(name)
        if digest != "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode():
            sys.exit(f"error: {name} has another checksum than in RECORD")
        target = Path(sys.argv[2], places[path.parts[1]], *path.parts[2:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if path.parts[1] == "scripts" else 0o644)
except (OSError, zipfile.BadZipFile, StopIteration, ValueError, KeyError) as error:
    sys.exit(f"error: cannot read the wheel: {error or 'it has no RECORD'}")
EOF
    "$made/bin/capture-hook" --version >/dev/null 2>&1 ||
        die "the command in ${wheel##*/} does not start on this machine ($(uname -s) $(uname -m))" \
            'take the wheel for this system and processor, or build: ./install.sh --build'
else
    say 'Building capture-hook (the first time takes some minutes)'
    target=${CARGO_TARGET_DIR:-$here/target}
    case $target in /*) ;; *) target=$PWD/$target ;; esac
    if [ "$profile" = release ]; then
        cargo build --release --locked --manifest-path "$here/Cargo.toml"
        built=$target/release/capture-hook
    else
        cargo build --locked --manifest-path "$here/Cargo.toml"
        built=$target/debug/capture-hook
    fi
    ln -s "$built" "$made/bin/capture-hook"
    cp "$here/hooks/git-merge-capture-hook" "$made/bin/"
    mkdir -p "$made/share/bash-completion/completions" "$made/share/zsh/site-functions" "$made/share/fish/vendor_completions.d"
    "$built" completions bash >"$made/share/bash-completion/completions/capture-hook"
    "$built" completions zsh >"$made/share/zsh/site-functions/_capture-hook"
    "$built" completions fish >"$made/share/fish/vendor_completions.d/capture-hook.fish"
    "$built" man --dir "$made/share/man/man1" >/dev/null
fi

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
for path in bin/capture-hook bin/git-merge-capture-hook share/bash-completion/completions/capture-hook \
    share/zsh/site-functions/_capture-hook share/fish/vendor_completions.d/capture-hook.fish share/man/man1/capture-hook.1; do
    [ -f "$made/$path" ] || die "$wheel has no $path" 'take a wheel of this version'
    place "$made/$path" "$prefix/$path"
done
for page in "$made"/share/man/man1/*.1; do
    cmp -s "$page" "$share/man/man1/${page##*/}" || cp "$page" "$share/man/man1/"
done
step installed "$share/man/man1/capture-hook*.1"

# --- DVC ---------------------------------------------------------------------------------------------------------
# Without caches, which an uninstall would leave behind.
pip_install() { "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --no-cache-dir "$@"; }
install_dvc() {
    uv=$(command -v uv || true)
    if [ -z "$uv" ] && pip_install --target "$scratch/uv" --only-binary :all: "uv==$UV_VERSION" 2>/dev/null; then
        uv=$scratch/uv/bin/uv
    fi
    # The index that pip is set to is uv's, too.
    index=${PIP_INDEX_URL:-$("$venv/bin/pip" config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
        UV_DEFAULT_INDEX=$index
        export UV_DEFAULT_INDEX
    fi
    if [ -n "$uv" ] && "$uv" pip install --quiet --no-cache --python "$venv/bin/python" "$wanted" 2>/dev/null; then
        return 0
    fi
    pip_install "$wanted"
}

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
        install_dvc || die "cannot install $wanted" 'see the messages above, and run this again'
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
