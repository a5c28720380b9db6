//! The file: the template filled in. Everything that is not ours is in the data, escaped so that no parser of HTML finds a
//! mark in it; the policy names the hashes of both scripts and of the style, so that a browser runs and applies nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::report::assets::{CHART_LIBRARY, MODULES, STYLES, TEMPLATE, join_modules};
use crate::support::visible::is_hidden;

/// What the page names as its generator. A file that does not is none of ours.
pub const GENERATOR: &str = "capture-hook report";
/// How much of a file says whether it is ours, in bytes.
pub const START: usize = 4096;
/// What stands before the data in a page, and behind it.
const DATA_START: &str = "<script type=\"application/json\" id=\"report-data\">";
const DATA_END: &str = "</script>";

/// Makes a page of data with this title.
#[must_use]
pub fn render_page(title: &str, data: &impl Serialize) -> String {
    // Our own structs always serialise.
    let json = serde_json::to_string(data).unwrap_or_default();
    fill_template(title, &escape_json(&json))
}

/// How many bytes data takes in a page.
#[must_use]
pub fn data_size(data: &impl Serialize) -> usize {
    escape_json(&serde_json::to_string(data).unwrap_or_default()).len()
}

fn fill_template(title: &str, json: &str) -> String {
    let style = STYLES.concat();
    let script = join_modules(MODULES.iter().map(|(_, text)| *text));
    let policy = format!(
        "default-src 'none'; script-src '{}' '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash_source(CHART_LIBRARY),
        hash_source(&script),
        hash_source(&style)
    );
    let title = escape_html(title);
    let mut out = String::with_capacity(TEMPLATE.len() + style.len() + CHART_LIBRARY.len() + script.len() + json.len());
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(match name {
            "policy" => &policy,
            "generator" => GENERATOR,
            "title" => &title,
            "style" => &style,
            "data" => json,
            "chart_library" => CHART_LIBRARY,
            "script" => &script,
            // A test reads the template: there is no other.
            _ => "",
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The size of a page without its data, in bytes.
#[must_use]
pub fn empty_page_size() -> usize {
    fill_template("", "").len()
}

/// Whether a file is one of our pages: its first kilobytes name us.
#[must_use]
pub fn is_report(file: &[u8]) -> bool {
    let start = file.get(..START).unwrap_or(file);
    let mark = format!("<meta name=\"generator\" content=\"{GENERATOR}\">");
    memchr::memmem::find(start, mark.as_bytes()).is_some()
}

/// The JSON in a page; `None` if it has none.
#[must_use]
pub fn find_data(page: &str) -> Option<&str> {
    let (_, after) = page.split_once(DATA_START)?;
    Some(after.split_once(DATA_END)?.0)
}

/// How a policy names a text: `sha256-…`.
fn hash_source(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON of the same value in which no parser of HTML or JavaScript finds a mark, and no reader a character that is not seen.
/// Outside of its texts, JSON holds none of these.
#[must_use]
fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 16);
    let mut units = [0; 2];
    for c in json.chars() {
        if matches!(c, '<' | '>' | '&') || is_hidden(c) {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_hidden(c) => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PLACEHOLDERS: [&str; 7] = ["policy", "generator", "title", "style", "data", "chart_library", "script"];

    #[test]
    fn the_template_has_every_placeholder_and_no_other() {
        let names: Vec<&str> = TEMPLATE.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0).collect();
        assert!(PLACEHOLDERS.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(names.iter().all(|name| PLACEHOLDERS.contains(name)), "{names:?}");
        assert!(TEMPLATE.contains("<noscript>") && TEMPLATE.contains("{{data}}</script>"));
    }

    #[test]
    fn what_looks_like_html_stays_data() {
        let text = "</script><script>alert(1)</script><!-- & \u{2028} \u{202e} {{script}} \u{e0041}";
        let page = render_page("<b>\"{{data}}\" & co</b>", &[text]);
        assert!(is_report(page.as_bytes()));
        assert!(page.contains("<title>&lt;b&gt;&quot;{{data}}&quot; &amp; co&lt;/b&gt;</title>"));
        assert_eq!(page.matches("<script").count(), 3);
        assert_eq!(page.matches("</script>").count(), 3);
        let data = find_data(&page).unwrap();
        assert!(!data.contains(|c| matches!(c, '<' | '>' | '&') || is_hidden(c)), "{data}");
        assert_eq!(serde_json::from_str::<Vec<String>>(data).unwrap(), [text]);
    }

    #[test]
    fn the_policy_allows_exactly_what_is_in_the_page() {
        let page = render_page("T", &0);
        let policy = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap();
        let policy = policy.split('"').next().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        let scripts = page.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap());
        let styles = page.split("<style>").skip(1).map(|rest| rest.split("</style>").next().unwrap());
        let mut hashes: Vec<String> = scripts.chain(styles).map(|text| format!("'{}'", hash_source(text))).collect();
        let mut allowed: Vec<&str> = policy.split([' ', ';']).filter(|word| word.starts_with("'sha256")).collect();
        hashes.sort();
        allowed.sort_unstable();
        assert_eq!((hashes.len(), allowed), (3, hashes.iter().map(String::as_str).collect()));
        assert!(!page.contains("style=\"") && !page.contains(" onclick"), "a policy of hashes blocks these");
    }
}
