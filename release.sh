#!/usr/bin/env bash
# What a release consists of, made and tried on one machine: .github/workflows/release.yml runs these steps on each platform.
set -euo pipefail
cd "$(dirname "$0")"

TOOLS=(maturin==1.16.0 cargo-zigbuild==0.24.0 ziglang==0.16.0)
# From nothing to the end of the demo.
SECONDS_ALLOWED=60

usage() {
    cat <<'TEXT'
usage: ./release.sh --check          every step of a release, on this machine; leaves it in dist/
       ./release.sh --source         crate, source distribution, list of components (SBOM) and notes, alone in dist/
       ./release.sh --build TARGET   wheel and archive of the program for a platform into dist/
       ./release.sh --try WHEEL      install in an empty HOME without Rust, run the demo, uninstall; nothing may be left
       ./release.sh --sums           SHA256SUMS of what is in dist/

TARGET is a target of Rust. Those of Linux are built with zig, so that they run on systems of 2014 and newer (glibc 2.17),
or, for musl, on any.
TEXT
}

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$1" >&2; exit 1; }
# Beside that of the developer, whose builds it would otherwise make old.
build=$PWD/target/release-build
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)

tools() {
    local dir=$PWD/target/release-tools stamp="${TOOLS[*]}"
    if [[ $(cat "$dir/stamp" 2>/dev/null) != "$stamp" ]]; then
        rm -rf "$dir"
        python3 -m venv "$dir"
        "$dir/bin/pip" install --quiet --disable-pip-version-check "${TOOLS[@]}"
        printf '%s' "$stamp" >"$dir/stamp"
    fi
    PATH=$dir/bin:$PATH
}

check_version() {
    local tag
    tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || true)
    [[ -n $tag ]] || return 0
    [[ $tag == "v$version" ]] || die "the tag is $tag, but Cargo.toml says $version"
    [[ -n $(release_notes) ]] || die "CHANGELOG.md has no section for $version"
}

release_notes() {
    awk -v version="$version" '/^## /{on = ($2 == version || $2 == "[" version "]"); next} on' CHANGELOG.md
}

# --- what is made ------------------------------------------------------------------------------------------------
make_source() {
    tools
    # What an earlier build has left there would be released with it.
    rm -rf dist
    mkdir -p dist
    # Built from its archive by `check`: cargo would build it anew, with all that it depends on.
    cargo package --locked --quiet --no-verify --allow-dirty --package capture-hook
    cp "target/package/capture-hook-$version.crate" dist/
    maturin sdist --manifest-path python/Cargo.toml --out dist
    cargo metadata --locked --format-version 1 | python3 -c "$SBOM" Cargo.lock >dist/capture-hook.cyclonedx.json
    release_notes >dist/NOTES.md
}

# The programs and libraries that the command consists of, as CycloneDX 1.5 lists them; no date, so that the same source gives
# the same bytes.
SBOM='
import json, sys, tomllib
metadata = json.load(sys.stdin)
with open(sys.argv[1], "rb") as file:
    locked = tomllib.load(file)["package"]
sums = {(p["name"], p["version"]): p["checksum"] for p in locked if "checksum" in p}
packages = {p["id"]: p for p in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = next(i for i, p in packages.items() if p["name"] == "capture-hook")
def needed(node):
    return sorted(d["pkg"] for d in nodes[node]["deps"] if any(k["kind"] != "dev" for k in d["dep_kinds"]))
reached, queue = set(), [root]
while queue:
    node = queue.pop()
    if node not in reached:
        reached.add(node)
        queue += needed(node)
def purl(p):
    return "pkg:cargo/%s@%s" % (p["name"], p["version"].replace("+", "%2B"))
def component(p):
    entry = {"type": "library", "bom-ref": purl(p), "name": p["name"], "version": p["version"], "purl": purl(p)}
    if p["license"]:
        entry["licenses"] = [{"expression": p["license"].replace("/", " OR ")}]
    if (p["name"], p["version"]) in sums:
        entry["hashes"] = [{"alg": "SHA-256", "content": sums[p["name"], p["version"]]}]
    return entry
order = sorted((packages[i] for i in reached), key=purl)
json.dump({
    "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
    "metadata": {"component": {**component(packages[root]), "type": "application"}},
    "components": [component(p) for p in order if p["id"] != root],
    "dependencies": [{"ref": purl(p), "dependsOn": sorted({purl(packages[d]) for d in needed(p["id"])})} for p in order],
}, sys.stdout, indent=1)
print()
'

build_target() { # TARGET
    local target=$1 program=$build/$1/release/capture-hook arguments="--target $1"
    tools
    export CARGO_TARGET_DIR=$build
    case $target in
    *-linux-gnu)
        cargo zigbuild --locked --release --target "$target.2.17" --package capture-hook --bin capture-hook
        arguments+=' --zig --compatibility manylinux2014'
        ;;
    *-linux-musl)
        cargo zigbuild --locked --release --target "$target" --package capture-hook --bin capture-hook
        arguments+=' --zig --compatibility musllinux_1_2'
        ;;
    *) cargo build --locked --release --target "$target" --package capture-hook --bin capture-hook ;;
    esac
    wheel_with "$program" "$arguments"
    archive_program "$program" "$target"
}

# The wheel around this program, in dist/.
wheel_with() { # PROGRAM ARGUMENTS-OF-MATURIN
    local program=$1
    mkdir -p dist target/release-wheels
    rm -f target/release-wheels/*
    (
        cd python
        # The build of the program has most of what the module needs.
        CARGO_TARGET_DIR=$build MATURIN_PEP517_ARGS=$2 CAPTURE_HOOK_COMMAND=$program python3 -c '
import sys
sys.path.insert(0, ".")
import build_backend
build_backend.build_wheel(sys.argv[1])' ../target/release-wheels >/dev/null
    )
    cp target/release-wheels/*.whl dist/
}

# The program alone, with what belongs to it, for those without Python.
archive_program() { # PROGRAM TARGET
    local name=capture-hook-$version-$2
    local dir=target/release-archive/$name
    rm -rf "$dir"
    mkdir -p "$dir/bin" "$dir/share/man/man1" "$dir/share/bash-completion/completions" \
        "$dir/share/zsh/site-functions" "$dir/share/fish/vendor_completions.d"
    cp "$1" hooks/git-merge-capture-hook "$dir/bin/"
    cp LICENSE-APACHE LICENSE-MIT README.md "$dir/"
    "$1" man --dir "$dir/share/man/man1" >/dev/null
    "$1" completions bash >"$dir/share/bash-completion/completions/capture-hook"
    "$1" completions zsh >"$dir/share/zsh/site-functions/_capture-hook"
    "$1" completions fish >"$dir/share/fish/vendor_completions.d/capture-hook.fish"
    tar -C target/release-archive -czf "dist/$name.tar.gz" "$name"
}

write_sums() {
    (
        cd dist
        rm -f SHA256SUMS
        if command -v sha256sum >/dev/null; then sha256sum -- *; else shasum -a 256 -- *; fi >../target/SHA256SUMS
        mv ../target/SHA256SUMS .
    )
}

# --- what is tried -----------------------------------------------------------------------------------------------
# PATH without Rust; the other programs of a directory that has it stay.
path_without_rust() { # DIR-FOR-LINKS
    local dir program path='' count=0
    local -a dirs
    IFS=: read -ra dirs <<<"$PATH"
    for dir in "${dirs[@]}"; do
        if [[ -e $dir/cargo || -e $dir/rustc || -e $dir/rustup ]]; then
            count=$((count + 1))
            mkdir -p "$1/$count"
            for program in "$dir"/*; do
                case ${program##*/} in cargo* | rust*) ;; *) ln -sf "$program" "$1/$count/" ;; esac
            done
            dir=$1/$count
        fi
        path+=${path:+:}$dir
    done
    printf '%s' "$path"
}

try_wheel() { # WHEEL
    local place wheel begun seconds left
    [[ -f $1 ]] || die "there is no file $1"
    wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
    place=$(mktemp -d)
    mkdir "$place/home" "$place/tmp" "$place/links"
    local path
    path=$(path_without_rust "$place/links")
    # The registries that this machine uses, and nothing else of its surroundings.
    local -a surroundings=(HOME="$place/home" TMPDIR="$place/tmp" PATH="$path" LANG=C.UTF-8)
    local name
    for name in $(compgen -e | grep -E '^(PIP|UV|SSL|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy)' || true); do
        surroundings+=("$name=${!name}")
    done
    stranger() { env -i "${surroundings[@]}" "$@"; }
    if stranger cargo --version >/dev/null 2>&1; then die 'cargo is still on PATH'; fi

    begun=$(date +%s)
    stranger ./install.sh --wheel "$wheel" --demo
    seconds=$(($(date +%s) - begun))
    say "From nothing to the end of the demo: $seconds s ($(uptime | sed 's/.*load/load/'))"
    say "Fetched for it: DVC with all that it needs, and uv to install it; $(du -sh "$place/home" | cut -f1) on disk"
    [[ $("$place/home/.local/bin/capture-hook" --version) == "capture-hook $version" ]] || die 'the program has another version'
    stranger ./install.sh --uninstall
    left=$(cd "$place/home" && find . -mindepth 1)
    [[ -z $left ]] || die "an uninstall leaves in HOME: $left"
    [[ $seconds -le $SECONDS_ALLOWED ]] || die "more than $SECONDS_ALLOWED s"

    # A wheel for musl is for a Python on musl.
    if [[ $wheel != *musllinux* ]]; then
        stranger python3 -m venv "$place/venv"
        stranger "$place/venv/bin/pip" install --quiet --no-index --no-deps --no-cache-dir "$wheel"
        stranger "$place/venv/bin/python" -m capture_hook --version
        stranger "$place/venv/bin/python" -c 'import capture_hook; print(capture_hook.__version__)'
        stranger "$place/venv/bin/pip" uninstall --quiet --yes capture-hook
        left=$(find "$place/venv" -path '*capture[-_]hook*')
        [[ -z $left ]] || die "pip uninstall leaves: $left"
    fi
    rm -rf "$place"
    say "${wheel##*/}: installed, shown and uninstalled; nothing is left"
}

# The crate is built from its archive, and that program goes into the wheel.
check() {
    check_version
    make_source
    # Outside of this workspace, as on the machine of whoever fetches it.
    local dir
    dir=$(mktemp -d)
    tar -C "$dir" -xzf "dist/capture-hook-$version.crate"
    cargo build --locked --release --manifest-path "$dir/capture-hook-$version/Cargo.toml" \
        --target-dir "$build" --bin capture-hook
    rm -rf "$dir"
    say "the crate builds from its archive: $("$build/release/capture-hook" --version)"
    wheel_with "$build/release/capture-hook" ''
    archive_program "$build/release/capture-hook" "$(rustc -vV | sed -n 's/^host: //p')"
    try_wheel dist/*.whl
    write_sums
    (cd dist && ls -l)
}

case ${1:-} in
--check) check ;;
--source) check_version; make_source ;;
--build) [[ $# == 2 ]] || { usage >&2; exit 2; }; build_target "$2" ;;
--try) [[ $# == 2 ]] || { usage >&2; exit 2; }; try_wheel "$2" ;;
--sums) write_sums ;;
-h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
