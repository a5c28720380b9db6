//! Our JSON against the real Python's: canonical text and `config_hash` on thousands of values, and what is refused.

use std::io::Write;
use std::process::{Command, Stdio};

use capture_hook::formats::json;
use capture_hook::formats::json::JsonLayout;
use proptest::prelude::*;

/// Makes `count` JSON documents that try Python's corners, one a line, hex-encoded; then for each the canonical text (hex)
/// and its SHA-256.
const MAKE: &str = r#"
import hashlib, json, random, struct, sys
rng = random.Random(20260105)

def bits():
    return struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]

def number():
    return rng.choice([
        bits, bits, lambda: rng.random(), lambda: rng.gauss(0, 1e-4), lambda: round(rng.uniform(-1e3, 1e3), rng.randrange(6)),
        lambda: 10.0 ** rng.randrange(-330, 309), lambda: float(10 ** rng.randrange(25)) + rng.randrange(-2, 3),
        lambda: float(2 ** rng.randrange(70)), lambda: 5e-324 * rng.randrange(1 << 20), lambda: -0.0, lambda: 0.0,
        lambda: float("nan"), lambda: float("inf"), lambda: float("-inf"), lambda: sys.float_info.max, lambda: sys.float_info.min,
        lambda: rng.randrange(-5, 300), lambda: rng.getrandbits(rng.randrange(1, 400)) - (1 << 64), lambda: 2 ** 63, lambda: -2 ** 63,
        lambda: 2 ** 63 - 1, lambda: -2 ** 63 - 1, lambda: -(10 ** rng.randrange(1, 60)),
    ])()

RANGES = [(0x20, 0x7e), (0, 0x1f), (0x7f, 0x2ff), (0x370, 0x1fff), (0x2028, 0x2029), (0xd800, 0xdfff), (0xe000, 0xffff), (0x10000, 0x10ffff)]

def text():
    return "".join(chr(rng.randint(*rng.choice(RANGES))) for _ in range(rng.choice([0, 1, 2, 3, 8, 40])))

def value(depth):
    kind = rng.randrange(9 if depth else 6)
    if kind < 3: return number()
    if kind == 3: return rng.choice([None, True, False])
    if kind < 6: return text()
    if kind < 7: return [value(depth - 1) for _ in range(rng.choice([0, 1, 3, 7]))]
    return {rng.choice([text, lambda: rng.choice("abcXYZ_\u00e9\uffff\U0001f600\ud800")])(): value(depth - 1) for _ in range(rng.choice([0, 1, 4, 20]))}

def spell(v):
    style = rng.randrange(4)
    if style == 0: s = json.dumps(v)
    elif style == 1: s = json.dumps(v, indent=rng.randrange(4))
    elif style == 2: s = json.dumps(v, separators=(" ,\r\n", "\t: "))
    else: s = json.dumps(v, ensure_ascii=False)
    try: s.encode()
    except UnicodeEncodeError: s = json.dumps(v)
    return s

for i in range(int(sys.argv[1])):
    s = spell(value(rng.randrange(5)))
    if i % 7 == 0:  # numbers as others may write them
        s = "[" + ", ".join(rng.choice(["%.3e", "%.20f", "%E", "%.0f.0"]) % rng.uniform(-1e9, 1e9) for _ in range(5)) + ", " + s + ", 1e999, -0, -0e5, 0.1e-400]"
    if i % 11 == 0:
        s = '{"k": 1, "k": ' + s + ', "j": 2, "k": 3}'
    c = json.dumps(json.loads(s), sort_keys=True, separators=(",", ":"))
    p = json.dumps(json.loads(s), indent=2)
    l = json.dumps(json.loads(s), sort_keys=True)
    print(s.encode().hex(), c.encode().hex(), hashlib.sha256(c.encode()).hexdigest(), p.encode().hex(), l.encode().hex())
"#;

/// Says for each line (hex) on stdin whether `json.loads` takes it, as text that is strict UTF-8.
const JUDGE: &str = r#"
import json, sys
for line in sys.stdin:
    try:
        json.loads(bytes.fromhex(line.strip()).decode("utf-8"))
        print(1)
    except (ValueError, RecursionError):
        print(0)
"#;

fn python(script: &str, arg: &str, input: &str) -> String {
    let mut child =
        Command::new("python3").args(["-c", script, arg]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feed = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn canonical_text_and_hash_are_those_of_the_real_python() {
    let made = python(MAKE, "6000", "");
    let mut seen = 0;
    for line in made.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [source, canonical, hash, pretty, sorted] = fields[..] else { panic!("{line}") };
        let source = unhex(source);
        let show = String::from_utf8_lossy(&source).into_owned();
        let value = json::parse(&source).unwrap_or_else(|e| panic!("{show}: {e}"));
        assert_eq!(value.to_canonical(), String::from_utf8(unhex(canonical)).unwrap(), "{show}");
        assert_eq!(value.config_hash(), hash, "{show}");
        assert_eq!(value.dump_with(JsonLayout::PRETTY), String::from_utf8(unhex(pretty)).unwrap(), "{show}");
        assert_eq!(value.dump_with(JsonLayout::LINE), String::from_utf8(unhex(sorted)).unwrap(), "{show}");
        seen += 1;
    }
    assert_eq!(seen, 6000);
}

#[test]
fn floats_of_random_bits_are_written_as_repr_writes_them() {
    let script = "import random, struct, sys
r = random.Random(7)
for _ in range(int(sys.argv[1])):
    b = r.getrandbits(64)
    print(b, repr(struct.unpack('<d', struct.pack('<Q', b))[0]).replace('nan', 'NaN').replace('inf', 'Infinity'))";
    for line in python(script, "100000", "").lines() {
        let (bits, expected) = line.split_once(' ').unwrap();
        let mut out = Vec::new();
        json::write_f64(&mut out, f64::from_bits(bits.parse().unwrap()));
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{bits}");
    }
}

#[test]
fn what_python_takes_and_refuses_we_take_and_refuse() {
    // Documents with one byte changed, dropped or doubled: mostly broken, sometimes not.
    let seeds: &[&str] = &[
        r#"{"a": [1, -2.5e+3, "x\u00e9\ud83d\ude00\n", null], "b": {"c": true, "d": false}, "e": NaN}"#,
        r#"[Infinity, -Infinity, 0, -0.0, 1e5, 0.25, "", {}, [], "\"\\\/\b\f\n\r\t"]"#,
        " \t\r\n\"é😀\u{7f}\" ",
        "[[[[1]], 2], {\"k\": {\"k\": []}}]",
        "-12.75E-2",
    ];
    let mut documents = Vec::new();
    for seed in seeds {
        let seed = seed.as_bytes();
        for at in 0..seed.len() {
            documents.push(seed[..at].to_vec());
            documents.push([&seed[..at], &seed[at + 1..]].concat());
            documents.push([&seed[..at], &seed[at..=at], &seed[at..]].concat());
            for byte in [
                0, 9, 0x1f, 0x7f, 0x80, 0xff, b'"', b'\\', b'0', b'1', b'.', b'e', b'-', b'+', b',', b':', b']', b'}',
                b'u', b'N',
            ] {
                documents.push([&seed[..at], &[byte], &seed[at + 1..]].concat());
            }
        }
    }
    let hex = |d: &Vec<u8>| capture_hook::support::text::to_hex(d) + "\n";
    let verdicts = python(JUDGE, "", &documents.iter().map(hex).collect::<String>());
    let mut taken = 0;
    for (document, verdict) in documents.iter().zip(verdicts.lines()) {
        let ours = json::parse(document);
        assert_eq!(ours.is_ok(), verdict == "1", "{:?}: {ours:?}", String::from_utf8_lossy(document));
        taken += usize::from(ours.is_ok());
    }
    assert!(documents.len() > 4000 && taken > 200 && verdicts.lines().count() == documents.len());
}

fn value() -> impl Strategy<Value = json::JsonValue> {
    let leaf = prop_oneof![
        Just(json::JsonValue::Null),
        any::<bool>().prop_map(json::JsonValue::Bool),
        any::<i64>().prop_map(json::JsonValue::Int),
        any::<u64>().prop_map(json::JsonValue::from),
        any::<f64>().prop_filter("NaN is not equal to itself", |f| !f.is_nan()).prop_map(json::JsonValue::Float),
        any::<String>().prop_map(json::JsonValue::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(json::JsonValue::Array),
            prop::collection::vec((any::<String>(), inner), 0..24)
                .prop_map(|members| json::JsonValue::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reading back what was written gives the same value, whatever the layout.
    #[test]
    fn parse_undoes_dump(value in value()) {
        for layout in [JsonLayout::PRETTY, JsonLayout { sort_keys: false, compact: true, indent: None }] {
            prop_assert_eq!(&json::parse(value.dump_with(layout).as_bytes()).unwrap(), &value);
        }
        let canonical = value.to_canonical();
        prop_assert_eq!(json::parse(canonical.as_bytes()).unwrap().to_canonical(), canonical);
    }

    /// No bytes make it panic.
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = json::parse(&bytes);
    }
}
