//! DVC's own readers, asked many times in one process, and what they say compared with ours.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use capture_hook::formats::json::JsonValue as Json;
use capture_hook::formats::{ParamsValue, json};

/// The process: see `dvc_readers.py`.
pub struct Readers {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Readers {
    /// Those of a DVC.
    pub fn of_dvc(bin: &Path) -> Self {
        Self::start(bin, &[])
    }

    /// The YAML reader alone.
    pub fn of_yaml(bin: &Path) -> Self {
        Self::start(bin, &["plain"])
    }

    fn start(bin: &Path, args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dvc_readers.py");
        let mut command = Command::new(bin.join("python"));
        command
            .arg(script)
            .args(args)
            .env("DVC_NO_ANALYTICS", "1")
            .env("PYTHONUTF8", "1")
            .env("PYTHONWARNINGS", "ignore");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, ask, answers }
    }

    /// What a reader reads; `None` where it refuses.
    pub fn read(&mut self, reader: &str, texts: &[&[u8]]) -> Option<Json> {
        let hex = |bytes: &&[u8]| format!("\"{}\"", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        let line = texts.iter().map(hex).collect::<Vec<_>>().join(", ");
        writeln!(self.ask, "[\"{reader}\", {line}]").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        match json::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{reader}: {error}: {line}")) {
            Json::Null => None,
            read => Some(read),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether what DVC reads is what we read; what is unread here may be anything there, and a key that is no text there (a
/// number, a date) must not look like text here.
pub fn same(ours: &ParamsValue, theirs: &Json) -> bool {
    let parts = theirs.as_array().unwrap();
    let kind = parts[0].as_str().unwrap();
    match (ours, kind) {
        (ParamsValue::Unresolved, _) => true,
        (ParamsValue::Null, "null") => true,
        (ParamsValue::Bool(b), "bool") => parts[1].as_bool() == Some(*b),
        (ParamsValue::Int(n), "int") => parts[1].as_str() == Some(&n.to_string()),
        (ParamsValue::Float(x), "float") if x.is_nan() => parts[1].as_str() == Some("nan"),
        (ParamsValue::Float(x), "float") => parts[1].as_str() == Some(&format!("{:016x}", x.to_bits())),
        // A lone surrogate is no text here.
        (ParamsValue::Str(text), "str") => parts[1].as_str() == Some(text),
        (ParamsValue::List(ours), "list") => {
            let theirs = parts[1].as_array().unwrap();
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (ParamsValue::Map(entries), "map") => {
            let theirs = parts[1].as_array().unwrap();
            let read = |key: &str| {
                theirs.iter().map(|entry| entry.as_array().unwrap()).find(|entry| entry[0].as_str() == Some(key))
            };
            let both = entries.iter().all(|(key, value)| match read(key) {
                Some(entry) => same(value, &entry[1]),
                None => !matches!(ParamsValue::from_plain(key), Some(ParamsValue::Str(_))),
            });
            let all = theirs.iter().map(|entry| entry.as_array().unwrap()).all(|entry| match entry[0].as_str() {
                Some(key) => ours.get(key).is_some(),
                None => true,
            });
            both && all
        }
        _ => false,
    }
}
