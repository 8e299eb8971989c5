//! The flag that names a CA: whoever fetches tells that of `portreeve serve`, and the commands that
//! look without serving have a shorter one.

/// The text with the flag of a command that does not serve.
pub(crate) fn own(text: &str) -> String {
    text.replace("--trust-ca", "--ca")
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn the_flag_that_is_advised_is_one_of_this_command() {
        let detail = "no CA trusted here issued it; name its CA with --trust-ca";
        assert_eq!(own(detail), "no CA trusted here issued it; name its CA with --ca");
    }
}
