//! Addresses of remotes, which may hold a password or an object store's key.

/// Whether an address carries a user's password, which a tracked file must not hold.
#[must_use]
pub fn holds_secret(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => user.contains(':'),
        // Keys of object stores hold slashes: what follows the colon is one, unless it is a port, which buckets have not.
        None => {
            let bucket = ["s3", "gs", "azure", "oss"].contains(&scheme.to_ascii_lowercase().as_str());
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let port = |text: &str| !bucket && (1..=5).contains(&text.len()) && digits(text);
            rest.contains('@') && host.split_once(':').is_some_and(|(_, after)| !port(after))
        }
    }
}

/// An address as it may be shown: without the password that somebody put into it.
#[must_use]
pub fn without_secret(url: &str) -> String {
    match (holds_secret(url), url.split_once("://"), url.rsplit_once('@')) {
        (true, Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
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
}
