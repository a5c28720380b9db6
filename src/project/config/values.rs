//! What a value of `[dataset]` must look like, one rule in one place: addresses, ORCID, ROR, e-mail, versions, text.
//!
//! Each rule takes a text without blanks around it and returns the form in which others write the value. Nothing is
//! asked of a server: a number with right check digits can still be unused. The `read_…` functions are for serde.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A value that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {why}", value.escape_debug())]
pub struct ValueError {
    /// The value, without a password.
    pub value: String,
    /// What is wrong with it, to be read after it.
    pub why: String,
}

fn refuse<T>(value: &str, why: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError { value: value.to_owned(), why: why.into() })
}

/// Text of one line.
pub fn check_line(text: &str) -> Result<String, ValueError> {
    match text.chars().any(char::is_control) {
        true => refuse(text, "holds a line break or a control character"),
        false => Ok(text.to_owned()),
    }
}

/// Text of several lines, which end in `\n` afterwards.
pub fn check_text(text: &str) -> Result<String, ValueError> {
    let text = text.replace("\r\n", "\n");
    match text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        true => refuse(&text, "holds a control character"),
        false => Ok(text),
    }
}

/// An address that a browser opens, without a user name or password in it.
pub fn check_url(text: &str) -> Result<String, ValueError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse(&without_user(text), "is not an address that begins with https:// or http://");
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return refuse(&without_user(text), "is not an address that begins with https:// or http://");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Programs disagree on what of `https://a\@b` is the host.
    let odd = |c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c);
    if host.contains('@') {
        refuse(&without_user(text), "holds a user name or a password, which everybody could read; remove it")
    } else if host.is_empty() || host.starts_with(':') {
        refuse(text, "names no host")
    } else if text.chars().any(odd) {
        refuse(text, "holds characters that no address can hold; percent-encode them")
    } else {
        Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
    }
}

/// An address for messages: what stands before an `@` is left out.
fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        _ => text.to_owned(),
    }
}

/// What follows one of these hosts in an address; the text itself if it is no address.
fn after_host<'a>(text: &'a str, hosts: &[&str]) -> &'a str {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let (begin, rest) = text.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let rest = rest.unwrap_or(text);
    let host = hosts.iter().find(|host| rest.get(..host.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(host)));
    host.and_then(|host| rest.get(host.len()..)).map_or(text, |id| id.strip_suffix('/').unwrap_or(id))
}

/// Whether a text is meant as an ORCID, right or wrong.
#[must_use]
pub fn looks_like_orcid(text: &str) -> bool {
    let id = after_host(text, &["orcid.org/", "www.orcid.org/"]);
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    id.len() < text.len() || (digits >= 12 && id.bytes().all(|b| b.is_ascii_digit() || b"-xX".contains(&b)))
}

/// An ORCID, `0000-0002-1825-0097` or as an address; returns the address.
pub fn check_orcid(text: &str) -> Result<String, ValueError> {
    let id = after_host(text, &["orcid.org/", "www.orcid.org/"]).to_ascii_uppercase();
    let groups: Vec<&str> = id.split('-').collect();
    let digits: Vec<u8> = id.bytes().filter(|b| *b != b'-').collect();
    let has_form = groups.len() == 4 && groups.iter().all(|group| group.len() == 4);
    let Some((check, number)) = digits.split_last().filter(|(check, number)| {
        has_form && number.iter().all(u8::is_ascii_digit) && (check.is_ascii_digit() || **check == b'X')
    }) else {
        return refuse(text, "is not an ORCID such as 0000-0002-1825-0097");
    };
    // ISO 7064, mod 11-2; `X` stands for 10.
    let total = number.iter().fold(0_u32, |total, digit| (total + u32::from(digit - b'0')) * 2 % 11);
    let expected = match (12 - total) % 11 {
        10 => b'X',
        digit => b'0' + u8::try_from(digit).unwrap_or_default(),
    };
    match *check == expected {
        true => Ok(format!("https://orcid.org/{id}")),
        false => refuse(text, "is not an ORCID: its check digit is wrong, so that a digit was mistyped"),
    }
}

/// Whether a text is an address in the Research Organization Registry, right or wrong.
#[must_use]
pub fn looks_like_ror(text: &str) -> bool {
    after_host(text, &["ror.org/", "www.ror.org/"]).len() < text.len()
}

/// An identifier of the Research Organization Registry, `03f0f6041` or as an address; returns the address.
pub fn check_ror(text: &str) -> Result<String, ValueError> {
    // Crockford's base 32: no i, l, o, u.
    const DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let id = after_host(text, &["ror.org/", "www.ror.org/"]).to_ascii_lowercase();
    let number = |digits: &str| {
        digits.chars().try_fold(0_u64, |total, c| Some(total * 32 + u64::try_from(DIGITS.find(c)?).ok()?))
    };
    let parts = id.split_at_checked(7).filter(|(digits, check)| digits.starts_with('0') && check.len() == 2);
    let Some((number, check)) = parts.and_then(|(digits, check)| Some((number(digits)?, check.parse::<u64>().ok()?)))
    else {
        return refuse(text, "is not a ROR identifier such as https://ror.org/03f0f6041");
    };
    // ISO 7064, mod 97-10.
    match 98 - number * 100 % 97 == check {
        true => Ok(format!("https://ror.org/{id}")),
        false => refuse(text, "is not a ROR identifier: its check digits are wrong, so that a character was mistyped"),
    }
}

/// An e-mail address, as far as it has the form of one.
pub fn check_email(text: &str) -> Result<String, ValueError> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c);
    match text.split_once('@') {
        Some((user, host))
            if !user.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !text.contains(odd)
                && !host.starts_with('.')
                && !host.ends_with('.') =>
        {
            Ok(text.to_owned())
        }
        _ => refuse(text, "is not an e-mail address"),
    }
}

/// A version as <https://semver.org> has it.
pub fn check_version(text: &str) -> Result<String, ValueError> {
    match semver::Version::parse(text) {
        Ok(version) if version.build.is_empty() => Ok(version.to_string()),
        // The data version is put there by an export.
        Ok(_) => refuse(text, "has a `+` in it: exports add the data version there"),
        Err(_) => match complete_version(text) {
            Some(near) => {
                refuse(text, format!("is not a version of three numbers (semver.org); did you mean `{near}`?"))
            }
            None => refuse(text, "is not a version of three numbers (semver.org) such as 1.0.0"),
        },
    }
}

/// The version that `1`, `v1.2` or `1.2.0.0` seems to mean.
fn complete_version(text: &str) -> Option<String> {
    let mut numbers = text.trim_start_matches(['v', 'V']).split('.').map(|part| part.parse::<u64>().ok());
    let version = [numbers.next()??, numbers.next().unwrap_or(Some(0))?, numbers.next().unwrap_or(Some(0))?];
    numbers.all(|rest| rest == Some(0)).then(|| version.map(|number| number.to_string()).join("."))
}

/// Reads a text, by the rule for it; `None` if it is empty.
pub(super) fn read_checked<'de, D: Deserializer<'de>>(
    from: D,
    check: fn(&str) -> Result<String, ValueError>,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    match text.trim() {
        "" => Ok(None),
        text => check(text).map(Some).map_err(D::Error::custom),
    }
}

pub(super) fn read_line<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_line)
}

pub(super) fn read_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_text)
}

pub(super) fn read_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_url)
}

pub(super) fn read_ror<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_ror)
}

pub(super) fn read_version<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_version)
}

pub(super) fn read_keywords<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    let words = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty());
    words.map(|word| check_line(word).map_err(D::Error::custom)).collect()
}

pub(super) fn read_orcid<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_orcid)
}

pub(super) fn read_email<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read_checked(from, check_email)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_names_nobody() {
        for (text, expected) in [
            ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
            ("HTTP://example.org:8080", "http://example.org:8080"),
            ("https://example.org/a@b", "https://example.org/a@b"),
        ] {
            assert_eq!(check_url(text).unwrap(), expected);
        }
        for (text, message) in [
            ("https://ada:secret@example.org/x", "`https://…@example.org/x` holds a user name or a password"),
            ("https://token@example.org", "`https://…@example.org` holds a user name"),
            ("https://a:b@c@d/", "`https://…@d/` holds a user name"),
            ("git@example.org:x/y.git", "`…@example.org:x/y.git` is not an address that begins with https://"),
            ("ssh://git:secret@example.org/x", "`ssh://…@example.org/x` is not an address that begins with https://"),
            ("javascript:alert(1)", "is not an address that begins with"),
            ("file:///etc/passwd", "is not an address that begins with"),
            ("https://", "names no host"),
            ("https://:80/", "names no host"),
            ("https:///x", "names no host"),
            ("https://example.org/a b", "percent-encode"),
            ("https://example.org/\u{1b}[2J", "percent-encode"),
            ("https://example.org\\@evil.example/", "user name"),
            ("https://example.org/ü", "percent-encode"),
        ] {
            let error = check_url(text).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn an_orcid_has_a_check_digit() {
        let address = "https://orcid.org/0000-0002-1825-0097";
        for text in
            ["0000-0002-1825-0097", address, "http://orcid.org/0000-0002-1825-0097/", "orcid.org/0000-0002-1825-0097"]
        {
            assert_eq!(check_orcid(text).unwrap(), address, "{text}");
            assert!(looks_like_orcid(text), "{text}");
        }
        assert_eq!(check_orcid("0000-0002-1694-233x").unwrap(), "https://orcid.org/0000-0002-1694-233X");
        for (text, why) in [
            ("0000-0002-1825-0098", "check digit"),
            ("0000-0002-1852-0097", "check digit"),
            ("0000-0002-1825-009X", "check digit"),
            ("0000000218250097", "is not an ORCID such as"),
            ("0000-0002-1825-00970", "is not an ORCID such as"),
            ("X000-0002-1825-0097", "is not an ORCID such as"),
            ("https://orcid.org/", "is not an ORCID such as"),
            ("https://example.org/0000-0002-1825-0097", "is not an ORCID such as"),
            ("", "is not an ORCID such as"),
        ] {
            assert!(check_orcid(text).unwrap_err().why.contains(why), "{text}");
        }
        assert!(looks_like_orcid("0000-0002-1825-009") && !looks_like_orcid("ETH") && !looks_like_orcid("12-34"));
    }

    #[test]
    fn a_ror_has_check_digits() {
        for id in ["03f0f6041", "02mhbdp94", "00k4n6c32", "013meh722", "05dxps055", "04wxnsj81"] {
            let address = format!("https://ror.org/{id}");
            assert_eq!(check_ror(id).unwrap(), address);
            assert_eq!(check_ror(&address.to_uppercase()).unwrap(), address);
            assert!(looks_like_ror(&address) && !looks_like_ror(id));
        }
        for (text, why) in [
            ("03f0f6042", "check digits"),
            ("03f0f6401", "is not a ROR"),
            ("13f0f6041", "is not a ROR identifier such"),
            ("03f0i6041", "is not a ROR identifier such"),
            ("03f0f60411", "is not a ROR identifier such"),
            ("ü3f0f6041", "is not a ROR identifier such"),
            ("https://ror.org/", "is not a ROR identifier such"),
        ] {
            assert!(check_ror(text).unwrap_err().why.contains(why), "{text}");
        }
    }

    #[test]
    fn an_email_has_one_at_sign_and_no_blank() {
        assert_eq!(check_email("ada@example.org").unwrap(), "ada@example.org");
        for text in ["", "ada", "@example.org", "ada@", "a@b@c", "a b@c", "<a@b>", "a@.c", "a@b\n"] {
            assert!(check_email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_version_has_three_numbers_and_no_build() {
        for text in ["1.0.0", "0.2.10-rc.1"] {
            assert_eq!(check_version(text).unwrap(), text);
        }
        for (text, why) in [
            ("1", "did you mean `1.0.0`?"),
            ("v1.2", "did you mean `1.2.0`?"),
            ("1.2.0.0", "did you mean `1.2.0`?"),
            ("2026-11", "such as 1.0.0"),
            ("", "such as 1.0.0"),
            ("1.0.0+x", "has a `+` in it"),
            ("99999999999999999999.0.0", "such as 1.0.0"),
        ] {
            assert!(check_version(text).unwrap_err().why.contains(why), "{text}");
        }
    }

    #[test]
    fn text_holds_no_control_characters() {
        assert!(check_line("a\nb").is_err() && check_line("a\u{1b}[2J").is_err() && check_line("ü 日本").is_ok());
        assert_eq!(check_text("a\r\nb\tc").unwrap(), "a\nb\tc");
        assert!(check_text("a\u{1b}").is_err() && check_text("a\rb").is_err());
    }
}
