//! Texts that readers may stumble over: documents of random shape in every style, and seeds with nasty pieces put in. The
//! same seed, the same texts.

/// A small random generator.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// One of these.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}

/// What YAML readers take for different things, or nearly do.
const PIECES: &[&str] = &[
    "a",
    "b",
    "cmd",
    " ",
    "  ",
    "\n",
    "\n  ",
    "\n    ",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "?",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ",",
    "'",
    "''",
    "\"",
    "\\",
    "\\\"",
    "\\n",
    "\\\n",
    "\\ ",
    "\\t",
    "\\/",
    "\\x41",
    "\\u0041",
    "\\U0001F600",
    "\\N",
    "\\_",
    "\\L",
    "\\P",
    "\\e",
    "\\0",
    "#",
    " #",
    " # c",
    "|",
    "|\n  ",
    ">",
    ">-\n  ",
    "|+\n  ",
    "|2\n  ",
    ">1-\n ",
    "&a ",
    "*a",
    "<<: ",
    "<<: *a\n",
    "!!str ",
    "!!int ",
    "! ",
    "!x ",
    "%YAML 1.1\n",
    "%TAG ! x\n",
    "---",
    "---\n",
    "--- ",
    "...\n",
    "=",
    "~",
    "null",
    "true",
    "False",
    "yes",
    "no",
    "on",
    "0o17",
    "0o_7",
    "012",
    "0x1F",
    "0b11",
    "1_000",
    "_1",
    "-1",
    "+1",
    "1e5",
    "1e-3",
    "1.",
    ".5",
    ".5e5",
    ".5e-5",
    "-.5",
    "1_0.5",
    ".inf",
    "-.Inf",
    ".nan",
    "+.nan",
    "._",
    "-_",
    "13:45",
    "1:2:3",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "2026-1-1 1:1:1",
    "12345678901234567890123",
    "é",
    "日",
    "🦀",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{b}",
    "\u{c}",
    "\u{1c}",
    "\u{1f}",
    "\0",
    "\u{7f}",
    "\u{9f}",
    "\u{200b}",
    "\u{ffff}",
    "@",
    "`",
    "%",
    "${a}",
    "\\${",
    "${ a.b }",
    "../",
    "/",
    "s3://b",
    "capture-hook ingest",
    "results/demo/r1",
    "data/captures",
    "ingest_capture",
    "run_dir",
    "out_dir",
];

/// Pipelines with our stage in them.
pub const PIPELINES: &[&str] = &[
    "stages:\n  capture_ingest:\n    cmd: capture-hook ingest\n    params:\n    - ingest_capture.run_dir\n    - ingest_capture.out_dir\n    outs:\n    - ${ingest_capture.out_dir}:\n        persist: true\n",
    "stages: {capture_ingest: {cmd: capture-hook ingest, deps: [capture-hook.toml, 'src/a b'], # c\n    params: [ingest_capture.run_dir, {conf/p.yaml: [a.b]}], outs: [data/captures: {persist: true, cache: false}],\n    frozen: false}}\n",
    "vars:\n- conf/p.yaml\nx: &x {a: 1}\nstages:\n  first:\n    <<: *x\n    cmd: make\n  capture_ingest:\n    desc: \"it's\"\n    cmd:\n    - capture-hook ingest\n    - 'true'\n    deps: [\"${dep}\"]\n    outs:\n    - data/captures:\n        persist: true\n        remote: Store\n    metrics:\n    - metrics/capture.json:\n        cache: false\n    plots:\n    - metrics/steps.csv:\n        x: step\n    meta: {any: [thing, 1]}\n",
    "stages:\n  capture_ingest:\n    cmd: >-\n      capture-hook\n      ingest\n    outs:\n      - \"data\\/captures\":\n          persist: true\n    always_changed: true\n",
];

/// The `params.yaml` beside them.
pub const PIPELINE_PARAMS: &[&str] = &[
    "ingest_capture:\n  run_dir: results/demo/r1\n  out_dir: data/captures\ndep: src/x\nn: 3\nflag: true\n",
    "base: &b\n  out_dir: data/captures\ningest_capture:\n  <<: *b\n  run_dir: 'results/demo/r1' # which\ndep: \"x\"\n",
    "{ingest_capture: {run_dir: results/demo/r1, out_dir: data/captures}, dep: a.txt}\n",
];

/// Lock files.
pub const LOCKS: &[&str] = &[
    "schema: '2.0'\nstages:\n  other:\n    cmd: echo\n  capture_ingest:\n    cmd: capture-hook ingest\n    deps:\n    - path: a\n      hash: md5\n      md5: '12345678901234567890123456789012'\n      size: 1\n    params:\n      params.yaml:\n        ingest_capture.out_dir: data/captures\n        list:\n        - 1\n        - a: 0.5\n          b: []\n        ingest_capture.run_dir: '0042'\n    outs:\n    - path: data/captures\n      hash: md5\n      md5: d41d8cd98f00b204e9800998ecf8427e.dir\n      size: 12\n      nfiles: 7\n",
    "schema: '2.0'\nstages: {capture_ingest: {cmd: [a, b], outs: [{path: d, md5: d41d8cd98f00b204e9800998ecf8427e.dir, size: 0}]}}\n",
];

/// DVC's settings.
pub const CONFIGS: &[&str] = &[
    "[core]\n    remote = Storage # mine\n    autostage = true\n['remote \"storage\"']\n    url = ../x\n    configpath = aws.ini\n[cache]\ntype = \"hardlink,symlink\"\n",
    "# c\n[ cache ]\ntype = a, 'b # c', \"d\"\nDir = /x # é\n[remote \"b\"]\nurl = 's3://b/k'\n\"quoted\" = 1\nempty =\n",
    "[Core]\nno_scm='x'\n[\"feature\"] # c\nmachine = yes\n",
];

/// Lists of files.
pub const LISTS: &[&str] = &[
    "[{\"md5\": \"d41d8cd98f00b204e9800998ecf8427e\", \"relpath\": \"e/r/x\"}, {\"md5\": \"0cc175b9c0f1b6a831c399e269772661\", \"relpath\": \"e/r/y\"}, {\"md5\": \"d41d8cd98f00b204e9800998ecf8427e\", \"relpath\": \"e/s/x\"}]",
    "[{\"relpath\": \"e/\\u00fc\\ud83d\\ude00/x\", \"md5\": \"d41d8cd98f00b204e9800998ecf8427e\", \"size\": 3}]",
    "[]",
];

/// Settings of ours.
pub const SETTINGS: &[&str] = &[
    "engine = \"native\"\nresults_dir = 'r'\n[pull]\nmax_bytes = 5\nauto = false\n[validate]\nignore = [\"unknown_field\"]\n",
];

/// Statements, envelopes and signatures.
pub const ATTESTATIONS: &[&str] = &[
    r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"buildDefinition":{"buildType":"https://capture-hook.example/run/v1","externalParameters":{"run":"e/r"}},"runDetails":{"builder":{"id":"https://capture-hook.example/workstation/v1"},"metadata":{"invocationId":"e/r"}}},"predicateType":"https://slsa.dev/provenance/v1","subject":[{"digest":{"sha256":"52ff0eca54b5fa6e759d393135d7d33e27d1dfcb6f837f6818eefc4cb8f82671"},"name":"e/r/run.json"}]}"#,
    r#"{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{"keyid": "SHA256:x", "sig": "eA=="}]}"#,
    "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgayZIsWec/bANlfpoAPsEJV1mnZ\n\
     C3xvi8e1ZdJPOjDO4AAAADZ2l0AAAAAAAAAAZzaGE1MTI=\n-----END SSH SIGNATURE-----\n",
];

/// Messages of commits and tags.
pub const MESSAGES: &[&str] = &[
    "Subject\n\nCapture-Run: demo/r1\nCapture-Config: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nCapture-Data: md5:d41d8cd98f00b204e9800998ecf8427e.dir\nCapture-Run: demo/%25\nCapture-Data: md5:d41d8cd98f00b204e9800998ecf8427e.dir\nCapture-Steps: 7\n",
];

/// Params files in TOML.
pub const TOML: &[&str] = &[
    "lr = 0.1\n[ingest_capture]\nrun_dir = 'results/demo/r1'\nout_dir = \"data/captures\"\n",
    "ingest_capture.run_dir = \"\"\"a\nb\\\n  c\"\"\"\n[a.b]\nc = [1, 2.5, { d = true }]\n[[e]]\nx = 1\n[[e]]\nx = 2\n",
    "a = 1_000\nb = 0x1F\nc = 1e-3\nd = 2026-01-01T00:00:00Z\ne = inf\nf = '''x'''\n\"g h\".i = -0.0\n",
];

/// Params files in JSON.
pub const JSON: &[&str] = &[
    "{\"lr\": 0.1, \"ingest_capture\": {\"run_dir\": \"results/demo/r1\", \"out_dir\": \"data/captures\"}}",
    "{\n  \"a\": [1, -2.50e+3, 1e400, 12345678901234567890, null, true],\n  \"b\": \"\\u00e9\\ud83d\\ude00\\n\",\n  \"b\": 0\n}\n",
];

/// A text with some pieces put in, taken out, doubled or cut.
pub fn mutated(dice: &mut Dice, seed: &str, times: usize) -> String {
    let mut text = seed.to_owned();
    for _ in 0..times {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = places[dice.roll(places.len())];
        match dice.roll(8) {
            0 => {
                let end = places[dice.roll(places.len())].clamp(at, text.len().min(at + 12));
                let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap();
                text.replace_range(at..end, "");
            }
            1 => {
                // A line twice, or moved.
                let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
                let line = lines[dice.roll(lines.len().max(1)).min(lines.len().saturating_sub(1))..].first().cloned();
                let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
                text.insert_str(start, &line.unwrap_or_default());
            }
            _ => text.insert_str(at, dice.pick(PIECES)),
        }
    }
    text
}

/// The same on bytes that need not be text.
pub fn mutated_bytes(dice: &mut Dice, seed: &[u8], times: usize) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..times {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let end = (at + dice.roll(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            _ => drop(bytes.splice(at..at, dice.pick(PIECES).bytes())),
        }
    }
    bytes
}

/// A YAML document of random shape.
pub fn document(dice: &mut Dice) -> String {
    let mut out = String::new();
    if dice.one_in(12) {
        out.push_str(dice.pick(&["---\n", "--- # c\n", "# c\n", "\n", "\u{feff}", "--- "]));
    }
    let sides = 6;
    match dice.roll(sides) {
        0 => flow(dice, 3, &mut out),
        1 => block_sequence(dice, 3, 0, &mut out),
        _ => block_mapping(dice, 3, 0, &mut out),
    }
    if dice.one_in(12) {
        out.push_str(dice.pick(&["...\n", "# c", "\n\n", "---\n", " "]));
    }
    out
}

fn block_mapping(dice: &mut Dice, depth: usize, indent: usize, out: &mut String) {
    for _ in 0..=dice.roll(3) {
        out.push_str(&" ".repeat(indent));
        if dice.one_in(20) {
            out.push_str("? ");
        }
        key(dice, out);
        out.push_str(dice.pick(&[":", ":", ":", " :"]));
        value(dice, depth, indent, out);
    }
}

fn block_sequence(dice: &mut Dice, depth: usize, indent: usize, out: &mut String) {
    for _ in 0..=dice.roll(3) {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        value(dice, depth, indent + 1, out);
    }
}

/// What stands behind a colon or a dash, with the line's end.
fn value(dice: &mut Dice, depth: usize, indent: usize, out: &mut String) {
    if dice.one_in(15) {
        out.push_str(dice.pick(&[" &a", " &b", " !!str", " !!int", " !", " !x"]));
    }
    let deeper = indent + 1 + dice.roll(3);
    match dice.roll(if depth == 0 { 6 } else { 10 }) {
        0 => block_scalar(dice, deeper, out),
        1 => {
            out.push(' ');
            flow(dice, depth, out);
            end(dice, out);
        }
        2..6 => {
            out.push_str(dice.pick(&[" ", " ", "  ", "\t", " \n", ""]));
            if out.ends_with('\n') {
                out.push_str(&" ".repeat(deeper));
            }
            scalar(dice, deeper, false, out);
            end(dice, out);
        }
        6 | 7 => {
            end(dice, out);
            block_mapping(dice, depth - 1, deeper, out);
        }
        8 => {
            end(dice, out);
            let indent = if dice.one_in(2) { indent } else { deeper };
            block_sequence(dice, depth - 1, indent, out);
        }
        _ => end(dice, out),
    }
}

fn end(dice: &mut Dice, out: &mut String) {
    out.push_str(dice.pick(&[
        "\n",
        "\n",
        "\n",
        "\n",
        " # c\n",
        "  \n",
        "\r\n",
        "\n\n",
        "\n# c\n",
        "\n  # c\n",
        "#c\n",
        "\t\n",
        " #: - {\n",
    ]));
}

fn key(dice: &mut Dice, out: &mut String) {
    if dice.one_in(4) {
        scalar(dice, 2, true, out);
    } else {
        out.push_str(dice.pick(&["a", "b", "c", "d", "cmd", "'q'", "\"r\"", "<<", "a b", "a.b"]));
    }
}

fn scalar(dice: &mut Dice, indent: usize, one_line: bool, out: &mut String) {
    let quote = dice.pick(&["", "", "", "'", "\""]);
    out.push_str(quote);
    for at in 0..=dice.roll(3) {
        let piece = dice.pick(PIECES);
        if quote.is_empty() && at > 0 && dice.one_in(3) {
            out.push(' ');
        }
        if !one_line && dice.one_in(8) {
            out.push_str(dice.pick(&["\n", " \n", "\n\n", "\\\n", "\n\t"]));
            out.push_str(&" ".repeat(if dice.one_in(6) { 0 } else { indent }));
        }
        let breaks = piece.contains(['\n', '\r']) && !dice.one_in(10);
        let ends = !quote.is_empty() && piece.contains(quote) && !dice.one_in(10);
        out.push_str(if breaks || ends { "x" } else { piece });
    }
    out.push_str(quote);
}

fn block_scalar(dice: &mut Dice, indent: usize, out: &mut String) {
    out.push(' ');
    out.push_str(dice.pick(&["|", ">"]));
    out.push_str(dice.pick(&["", "", "-", "+", "1", "2", "-1", "2+"]));
    out.push_str(dice.pick(&["\n", "\n", " # c\n", " \n", "\n\n", "\n   \n"]));
    for _ in 0..=dice.roll(3) {
        let more = if dice.one_in(4) { dice.roll(3) } else { 0 };
        out.push_str(&" ".repeat(indent + more));
        out.push_str(dice.pick(&["x", "x y", "# x", "- x", "a: b", "\tx", "", " ", "'", "x  ", "%x", "é"]));
        out.push_str(dice.pick(&["\n", "\n", "\n\n", "\r\n"]));
    }
}

fn flow(dice: &mut Dice, depth: usize, out: &mut String) {
    let space = |dice: &mut Dice, out: &mut String| {
        out.push_str(dice.pick(&["", "", " ", "\n", "\n  ", " # c\n", "#c\n", "\t", "\n\t"]));
    };
    let mapping = dice.one_in(2);
    out.push(if mapping { '{' } else { '[' });
    for _ in 0..dice.roll(4) {
        space(dice, out);
        if mapping || dice.one_in(6) {
            if dice.one_in(12) {
                out.push_str("? ");
            }
            key(dice, out);
            out.push_str(dice.pick(&[": ", ": ", ":", " : ", "", ":\n"]));
        }
        match dice.roll(if depth == 0 { 4 } else { 6 }) {
            0..4 => {
                let one_line = !dice.one_in(3);
                scalar(dice, 2, one_line, out);
            }
            4 => flow(dice, depth - 1, out),
            _ => {}
        }
        space(dice, out);
        out.push_str(dice.pick(&[",", ",", ",", ", ", "", ",,"]));
    }
    out.push(if mapping { '}' } else { ']' });
}
