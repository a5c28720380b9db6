//! How to cite the dataset, as an entry of BibTeX.

use crate::export::metadata::Creator;
use crate::export::set::ExportSet;

/// Returns the entry on one line. It is UTF-8, which BibTeX's successors read; what TeX would take for a command is
/// written as one that prints it.
pub(super) fn bibtex_entry(set: &ExportSet, url: Option<&str>) -> String {
    let metadata = &set.metadata;
    let authors: Vec<String> = metadata.creators.iter().map(author_name).collect();
    let mut fields = vec![
        ("title", format!("{{{}}}", escape_tex(&metadata.title))),
        ("author", authors.join(" and ")),
        ("year", set.published.strftime("%Y").to_string()),
        ("version", escape_tex(&metadata.version)),
    ];
    fields.extend(metadata.publisher.as_ref().map(|publisher| ("publisher", escape_tex(&publisher.name))));
    // An address has no braces, by the rules of the settings, and is printed as it is.
    fields.extend(url.map(|url| ("url", url.to_owned())));
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name} = {{{value}}}")).collect();
    let hash = set.latest_version.hash().to_hex();
    let key: String = hash.iter().take(8).map(|digit| char::from(*digit)).collect();
    format!("@misc{{dataset-{key}, {}}}", fields.join(", "))
}

/// Returns an author as BibTeX splits names: at a comma, and between authors at `and`.
fn author_name(creator: &Creator) -> String {
    match (&creator.family, &creator.given) {
        (Some(family), Some(given)) => format!("{{{}}}, {{{}}}", escape_tex(family), escape_tex(given)),
        _ => format!("{{{}}}", escape_tex(&creator.name)),
    }
}

/// BibTeX counts braces, escaped ones too, so that only commands can stand for them.
fn escape_tex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' => out.push_str("\\textbraceleft{}"),
            '}' => out.push_str("\\textbraceright{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '%' | '&' | '#' | '$' | '_' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::set::sample::sample_set;

    #[test]
    fn an_entry_names_title_authors_year_and_page() {
        assert_eq!(
            bibtex_entry(&sample_set(&["demo/r1"]), Some("https://example.org/plume-runs")),
            "@misc{dataset-a39899ca, title = {{Plume navigation runs}}, author = {{Example}, {Ada}}, year = {2026}, \
             version = {1.0.0}, publisher = {Example Institute}, url = {https://example.org/plume-runs}}"
        );
    }

    #[test]
    fn what_tex_takes_for_a_command_is_printed() {
        let mut set = sample_set(&["demo/r1"]);
        set.metadata.title = "50 % of {Ä} \\ 実験_1 & more\n".into();
        set.metadata.publisher = None;
        set.metadata.creators = ["Salt and Pepper", "Ö, X"]
            .map(|name| Creator {
                name: name.into(),
                given: None,
                family: None,
                orcid: None,
                affiliation: None,
                email: None,
            })
            .to_vec();
        let entry = bibtex_entry(&set, Some("https://example.org/a%20b_c"));
        assert_eq!(
            entry,
            "@misc{dataset-a39899ca, title = {{50 \\% of \\textbraceleft{}Ä\\textbraceright{} \\textbackslash{} \
             実験\\_1 \\& more }}, author = {{Salt and Pepper} and {Ö, X}}, year = {2026}, version = {1.0.0}, \
             url = {https://example.org/a%20b_c}}"
        );
        assert_eq!(entry.matches('{').count(), entry.matches('}').count());
    }
}
