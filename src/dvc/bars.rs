//! The progress that DVC draws, in words: its bars stay out of our output.

/// What a bar of `tqdm` says beside its drawing and its times, such as `Transferring 45% 9/20`; `None` if it says nothing yet.
#[must_use]
pub(super) fn describe_bar(drawn: &str) -> Option<String> {
    // `Transferring:  45%|████▌     |9/20 [00:01<00:01,  8.12file/s]`: words, the drawing, numbers, times.
    let (words, numbers) = match drawn.split_once('|') {
        Some((words, rest)) => (words, rest.rsplit_once('|').map_or(rest, |(_, numbers)| numbers)),
        None => (drawn, ""),
    };
    let numbers = numbers.split('[').next().unwrap_or_default();
    let is_drawing = |c: char| matches!(c, '\u{2580}'..='\u{259f}' | '#');
    let text: Vec<&str> = [words, numbers].into_iter().flat_map(str::split_whitespace).collect();
    let text = text.join(" ").replace(is_drawing, "");
    // What DVC draws before a bar has any content.
    const EMPTY: &str = "!";
    let text = text.trim();
    (!text.is_empty() && text != EMPTY).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::describe_bar;

    #[test]
    fn a_bar_becomes_words() {
        for (drawn, words) in [
            (
                "Transferring:  45%|\u{2588}\u{2588}\u{258c}     |9/20 [00:01<00:01,  8.12file/s]",
                "Transferring: 45% 9/20",
            ),
            ("Collecting files from cache |0.00 [00:00,     ?entry/s]", "Collecting files from cache 0.00"),
            ("  0% Checkout|          |0/7 [00:00<?,     ?files/s]", "0% Checkout 0/7"),
            ("100%|##########|3.00/3.00 [00:00<00:00, 9.1kB/s]", "100% 3.00/3.00"),
            ("Checking cache", "Checking cache"),
        ] {
            assert_eq!(describe_bar(drawn).as_deref(), Some(words));
        }
        assert_eq!(["  !  ", "", "|\u{2588}|"].map(describe_bar), [None, None, None]);
    }
}
