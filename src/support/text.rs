//! Text for people and for shells: sizes, counts, hexadecimal digits, quoting, and the names that are similar to a
//! mistyped one. Nothing is printed here.

use std::ffi::OsStr;

/// So many things are named one by one; more are counted.
pub const FEW: usize = 5;

/// Formats a size in binary units with one decimal: `812 B`, `1.5 KiB`.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // In tenths of the next unit: what would round up to 1024.0 of a unit becomes 1.0 of the next.
    let mut tenths = u128::from(bytes) * 10;
    let mut unit_index = 0;
    loop {
        let rounded = (tenths + 512) / 1024;
        if rounded < 10_240 || unit_index + 1 == UNITS.len() {
            return format!("{}.{} {}", rounded / 10, rounded % 10, UNITS[unit_index]);
        }
        tenths /= 1024;
        unit_index += 1;
    }
}

/// Formats a count with separated thousands: `1,000,000`.
#[must_use]
pub fn format_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a count with its noun: `1 run`, `2 runs`.
#[must_use]
pub fn format_plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", format_count(n), if n == 1 { "" } else { "s" })
}

/// Writes bytes as lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// An argument as a shell needs it. Every command that a message names uses this, so that what is pasted does what
/// it says, whatever a repository calls its runs, files and branches.
#[must_use]
pub fn shell_quote(arg: impl AsRef<OsStr>) -> String {
    let text = arg.as_ref().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,^~".contains(c);
    // A shell makes a home directory of `~`, and zsh a program's path of `=`, at the beginning.
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with(['~', '=']) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Returns the names that are similar to a mistyped one, best first, at most three. `spellings` are pairs of a spelling
/// and the name that it stands for.
#[must_use]
pub fn find_near<'a>(typed: &str, spellings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<&'a str> {
    const MOST_NAMES: usize = 3;
    // A third of the letters can be wrong, two in any case: more differences are no typing error.
    let most = (typed.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &str)> = spellings
        .into_iter()
        .map(|(spelling, name)| (strsim::damerau_levenshtein(spelling, typed), name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    let best = near.first().map_or(0, |(distance, _)| *distance);
    let mut names: Vec<&str> = Vec::new();
    for (distance, name) in near {
        // Names much worse than the best one are left out.
        if distance <= best + 1 && names.len() < MOST_NAMES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal() {
        let text = [0, 812, 1023, 1024, 1536, 10_240, 1_048_575, 28_731_000, 3 << 30, u64::MAX].map(format_bytes);
        let expected =
            ["0 B", "812 B", "1023 B", "1.0 KiB", "1.5 KiB", "10.0 KiB", "1.0 MiB", "27.4 MiB", "3.0 GiB", "16.0 EiB"];
        assert_eq!(text, expected);
    }

    #[test]
    fn thousands_are_set_apart() {
        let text = [format_count(7), format_count(1_000_000), format_plural(1, "run"), format_plural(0, "run")];
        assert_eq!(text, ["7", "1,000,000", "1 run", "0 runs"]);
    }

    #[test]
    fn the_nearest_names_come_first_and_distant_ones_never() {
        let near = |typed: &str, names: &[&'static str]| find_near(typed, names.iter().map(|name| (*name, *name)));
        assert_eq!(near("stauts", &["show", "start", "status"]), ["status", "start"]);
        assert_eq!(near("demo/r1", &["demo/r12", "demo/r2", "demo/r1x", "demo/r3", "other"]).len(), 3);
        assert!(near("xyz", &["status"]).is_empty());
        assert_eq!(find_near("polcy", [("push.policy", "push.policy"), ("policy", "push.policy")]), ["push.policy"]);
    }
}
