//! `${…}` in a stage, filled in as DVC does (`dvc/parsing/interpolate.py`), for names and values that can be read in
//! only one way.

use crate::formats::ParamsValue;

/// Why a text is not filled in.
#[derive(Debug)]
pub(crate) enum InterpolateError {
    /// DVC may read it otherwise.
    Unsupported(String),
    /// There is no such parameter.
    Undefined(String),
}

/// `${a.b}` replaced by the value at `a.b`; `\${` stands for itself. What DVC may fill in otherwise is an error: names
/// but of letters, digits, `_` and `-`, values that are no text, whole number or bool, or that hold a `${` themselves.
pub(crate) fn interpolate_text(text: &str, values: &ParamsValue) -> Result<String, InterpolateError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let inner = &after[2..];
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push_str("${");
            rest = inner;
            continue;
        }
        let Some(end) = inner.find('}') else { break };
        // DVC's parser skips blanks at both ends; a line break or another space is a part of the name to it.
        let key = inner[..end].trim_matches(' ');
        let name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
        if !key.split('.').all(name) {
            return Err(InterpolateError::Unsupported(format!("cannot parse `${{{key}}}`")));
        }
        out.push_str(before);
        match values.at_path(key) {
            Some(ParamsValue::Str(value)) if value.contains("${") => {
                return Err(InterpolateError::Unsupported(format!(
                    "`${{{key}}}` is `{value}`, which itself holds a placeholder"
                )));
            }
            Some(ParamsValue::Str(value)) => out.push_str(value),
            Some(ParamsValue::Int(value)) => out.push_str(&value.to_string()),
            Some(ParamsValue::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
            Some(value) => return Err(InterpolateError::Unsupported(format!("`${{{key}}}` is {value}"))),
            None => return Err(InterpolateError::Undefined(key.to_owned())),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_brace_stands_for_itself() {
        let values = ParamsValue::Map(vec![("a".into(), ParamsValue::Int(1))]);
        assert_eq!(interpolate_text("x\\${a}${ a }$", &values).unwrap(), "x${a}1$");
    }

    #[test]
    fn what_dvc_fills_in_otherwise_is_refused() {
        let values =
            ParamsValue::Map(vec![("a".into(), ParamsValue::Str("${b}".into())), ("b".into(), ParamsValue::Null)]);
        for text in ["${a}", "${b}", "${b\n}", "${\u{a0}b}", "${b[0]}", "${}", "${c}"] {
            assert!(interpolate_text(text, &values).is_err(), "{text:?}");
        }
    }
}
