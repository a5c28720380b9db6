//! Addresses of remotes, which may hold a password or an object store's key: whether one does, and the address without
//! it.
//!
//! An address is judged by its text alone; no program and no network is asked. An address that cannot be parsed counts
//! as one without a secret.

/// Whether an address carries a password or key, which a tracked file must not hold.
#[must_use]
pub fn holds_secret(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => user.contains(':'),
        // What follows the colon is then a key, unless it is a port, which a bucket never has.
        // { => Keys of object stores can hold slashes, so the `@` can stand behind the first slash.
        None => {
            let bucket = ["s3", "gs", "azure", "oss"].contains(&scheme.to_ascii_lowercase().as_str());
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let port = |text: &str| !bucket && (1..=5).contains(&text.len()) && digits(text);
            rest.contains('@') && host.split_once(':').is_some_and(|(_, after)| !port(after))
        }
    }
}

/// Returns the address for messages: all between the scheme and the last `@` is replaced by `…` if it holds a secret.
#[must_use]
pub fn without_secret(url: &str) -> String {
    match (holds_secret(url), url.split_once("://"), url.rsplit_once('@')) {
        (true, Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

/// Returns words, such as the arguments of a program, with the secret of each address in them replaced by `…`.
#[must_use]
pub fn without_secrets(words: &str) -> String {
    words
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
            let begin = word.find("://").map_or(0, |colon| word[..colon].trim_end_matches(scheme).len());
            let (before, address) = word.split_at(begin);
            format!("{before}{}", without_secret(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U10: A password or key in a remote's address is found, and left out of messages.
    #[test]
    fn a_password_in_an_address_is_seen() {
        assert!(holds_secret("https://me:secret@host/x") && holds_secret("s3://key:secret@bucket"));
        assert_eq!(without_secret("s3://key:sec/ret@bucket/x"), "s3://…@bucket/x");
        assert_eq!(without_secret("ssh://me@host:22/x"), "ssh://me@host:22/x");
        // Secrets that begin with a slash, or as a port does.
        assert!(holds_secret("s3://key:/secret@bucket/x") && holds_secret("s3://key:443/ret@bucket/x"));
        assert!(holds_secret("s3://key:sec/ret@bucket/x") && !holds_secret("http://host:8080/a@b"));
        assert!(!holds_secret("s3://bucket/a:b@c") && !holds_secret("ssh://me@host:22/x") && !holds_secret("/a:b@c"));
    }

    #[test]
    fn an_address_may_stand_among_other_words() {
        let hidden = [
            ("https://me:secret@host/x", "https://…@host/x"),
            ("--url=https://me:secret@host/x", "--url=https://…@host/x"),
            ("remote.origin.url=ssh://me:secret@host", "remote.origin.url=ssh://…@host"),
            ("push s3://k:a/b@c https://h/ git+https://u:p@h\n", "push s3://…@c https://h/ git+https://…@h\n"),
        ];
        for (words, shown) in hidden {
            assert_eq!(without_secrets(words), shown);
        }
        for words in ["", "rev-parse", "://", "a@b:c", "ssh://me@host:22/x", "é://u", " two  blanks "] {
            assert_eq!(without_secrets(words), words);
        }
    }
}
