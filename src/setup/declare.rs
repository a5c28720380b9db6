//! Declares the metrics files (`dataset::metrics_files`) in a `dvc.yaml` that can have metrics and plots of its own.
//!
//! A list gets more items, in its own style; every existing byte is kept, and the result is parsed again as a check.
//! Any other form is left alone, and reported.

use super::{after_line, line_break};
use crate::dataset::metrics_files;
use crate::dataset::stage::DVC_YAML;
use crate::formats::yaml::YamlNode;
use crate::formats::{ParamsValue, yaml};

/// The top-level keys that declare them.
const KEYS: [&str; 2] = ["metrics", "plots"];

/// A `dvc.yaml` with the views declared, and the keys to which they have to be added by hand.
pub(crate) fn with_metrics_files(bytes: &[u8]) -> (Vec<u8>, Vec<&'static str>) {
    let (mut out, mut by_hand) = (bytes.to_vec(), Vec::new());
    for key in KEYS {
        match add_items(&out, key) {
            Some(new) => out = new,
            None => by_hand.push(key),
        }
    }
    (out, by_hand)
}

/// What is to be added by hand to a `dvc.yaml` that has the stage already.
pub(crate) fn missing_keys(bytes: &[u8]) -> &'static [&'static str] {
    if metrics_files::declares_metrics_files(bytes) { &[] } else { &KEYS[..1] }
}

/// What to do about keys that were left as they are; nothing of none.
pub(crate) fn by_hand_advice(by_hand: &[&str]) -> String {
    let one = |key: &&str| match *key {
        "metrics" => format!("; for `dvc metrics` to show runs, add `- {}` under `metrics:`", metrics_files::METRICS),
        _ => format!(
            "; for `dvc plots` to show runs, add `- {}` and `- {}` under `plots:`",
            metrics_files::STEPS,
            metrics_files::EPISODES
        ),
    };
    by_hand.iter().map(one).collect()
}

/// The text with our items under a key; `None` if that cannot be without changing what is there.
fn add_items(bytes: &[u8], key: &str) -> Option<Vec<u8>> {
    let root = yaml::parse_document(bytes).ok()?.filter(|root| !root.is_null());
    let newline = line_break(bytes);
    let lines: Vec<&str> = reference_items(key).collect();
    let mut out = bytes.to_vec();
    match root.as_ref().and_then(|root| root.get(key)) {
        None => {
            let start = if out.is_empty() || out.ends_with(b"\n") { "" } else { newline };
            let items: String = lines.iter().map(|line| format!("  {line}{newline}")).collect();
            out.extend_from_slice(format!("{start}{key}:{newline}{items}").as_bytes());
        }
        Some(list) if names_our_files(list) => return Some(out),
        // What is named elsewhere, too, would change there.
        Some(list) if list.anchor.is_some() => return None,
        Some(list) if list.flow => {
            let item = lines.first()?.strip_prefix("- ").filter(|_| lines.len() == 1)?;
            let (at, comma) = match list.items()?.last() {
                Some(last) => (last.span.end, ", "),
                None => (list.span.start + 1, ""),
            };
            out.splice(at..at, format!("{comma}{item}").into_bytes());
        }
        Some(list) => {
            let last = list.items()?.last()?;
            let before = bytes.get(..last.span.start)?;
            let line = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            // The item must stand alone behind its dash: after a key on the same line the indent is unknown.
            let indent = std::str::from_utf8(before.get(line..)?).ok()?.trim_end().strip_suffix('-')?;
            if !indent.chars().all(|c| c == ' ') {
                return None;
            }
            let at = after_line(bytes, last.span.end);
            let start = if at > 0 && bytes.get(at - 1) != Some(&b'\n') { newline } else { "" };
            let items: String = lines.iter().map(|line| format!("{indent}{line}{newline}")).collect();
            out.splice(at..at, format!("{start}{items}").into_bytes());
        }
    }
    adds_nothing_else(root.as_ref(), &out, key).then_some(out)
}

/// The reference file's items under a key, as they stand there without their indentation.
fn reference_items(key: &str) -> impl Iterator<Item = &'static str> {
    let lines = DVC_YAML.lines().skip_while(move |line| line.strip_suffix(':') != Some(key)).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(|line| line.strip_prefix("  ").unwrap_or(line))
}

/// Whether a value names one of our files already.
fn names_our_files(node: &YamlNode) -> bool {
    let is_ours = |text: &str| [metrics_files::METRICS, metrics_files::STEPS, metrics_files::EPISODES].contains(&text);
    let below = |nodes: &[YamlNode]| nodes.iter().any(names_our_files);
    node.text().is_some_and(is_ours)
        || node.items().is_some_and(below)
        || node.entries().is_some_and(|entries| entries.iter().any(|(k, v)| names_our_files(k) || names_our_files(v)))
}

/// Whether the new text reads as the old one with our items behind those of the key.
fn adds_nothing_else(old: Option<&YamlNode>, new: &[u8], key: &str) -> bool {
    let entries = |root: Option<&YamlNode>| match root.map(YamlNode::to_partial_value) {
        Some(ParamsValue::Map(entries)) => Some(entries),
        None => Some(Vec::new()),
        _ => None,
    };
    let parsed = |bytes: &[u8]| yaml::parse_document(bytes).ok().flatten();
    let (new, reference) = (parsed(new), parsed(DVC_YAML.as_bytes()));
    let (Some(mut expected), Some(new), Some(reference)) =
        (entries(old), entries(new.as_ref()), entries(reference.as_ref()))
    else {
        return false;
    };
    let Some((_, ParamsValue::List(ours))) = reference.into_iter().find(|(name, _)| name == key) else { return false };
    match expected.iter_mut().find(|(name, _)| name == key) {
        Some((_, ParamsValue::List(items))) => items.extend(ours),
        Some(_) => return false,
        None => expected.push((key.to_owned(), ParamsValue::List(ours))),
    }
    expected == new
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn declared_text(text: &str) -> (String, Vec<&'static str>) {
        let (bytes, by_hand) = with_metrics_files(text.as_bytes());
        (String::from_utf8(bytes).unwrap(), by_hand)
    }

    /// W11: Metrics and plots are added to lists in the style of the file.
    #[test]
    fn items_are_added_in_the_style_of_the_list() {
        for (text, with) in [
            (
                "metrics:\n  - m.json # mine\n\n# end\n",
                "metrics:\n  - m.json # mine\n  - metrics/capture.json\n\n# end\nplots:\n",
            ),
            ("metrics:\n- m.json", "metrics:\n- m.json\n- metrics/capture.json\nplots:\n"),
            ("metrics: [m.json]\nvars: []\n", "metrics: [m.json, metrics/capture.json]\nvars: []\nplots:\n"),
            ("metrics: []\n", "metrics: [metrics/capture.json]\nplots:\n"),
            (
                "plots:\r\n    - a.csv:\r\n        x: b\r\nmetrics:\r\n    - 'm.json'\r\n",
                "plots:\r\n    - a.csv:\r\n        x: b\r\n    - Distance",
            ),
            ("", "metrics:\n  - metrics/capture.json\nplots:\n"),
        ] {
            let (new, by_hand) = declared_text(text);
            assert!(new.starts_with(with) && by_hand.is_empty(), "{text:?}: {new:?}");
            assert!(
                metrics_files::declares_metrics_files(new.as_bytes()) && new.contains("capture-episodes.csv: steps"),
                "{new}"
            );
            assert_eq!(declared_text(&new).0, new, "a second time");
        }
    }

    #[test]
    fn what_is_not_a_list_is_kept_and_reported() {
        for text in ["metrics: m.json\n", "metrics:\n", "metrics: &a [m.json]\nvars: *a\n", "metrics:\n  m.json: {}\n"]
        {
            let (new, by_hand) = declared_text(text);
            assert!(by_hand == ["metrics"] && new.starts_with(text), "{text:?}: {new:?} {by_hand:?}");
        }
        let (_, by_hand) = declared_text("plots:\n  a.csv:\n    x: b\nmetrics: []\n");
        assert!(
            by_hand_advice(&by_hand).contains("`- metrics/capture-steps.csv`")
                && !by_hand_advice(&by_hand).contains("dvc metrics")
        );
        assert_eq!(by_hand_advice(&[]), "");
    }
}
