//! Texts that are planted where nothing may be repeated from: if one of them turns up in what a
//! replica writes or says, it has repeated what it must not.

/// What all of them begin with, so that one search finds any.
pub const MARK: &str = "cAnArY-";
/// In documents and other bodies that trust servers send.
pub const DOCUMENT: &str = "cAnArY-document-5f1c";
/// In the words of trust servers about their errors.
pub const ERROR: &str = "cAnArY-error-97d2";
/// In what only holders of a token or a pull secret know.
pub const SECRET: &str = "cAnArY-secret-e08b";

/// All of them.
pub const ALL: [&str; 3] = [DOCUMENT, ERROR, SECRET];

/// The canary in `text`, if there is one.
#[must_use]
pub fn in_text(text: &str) -> Option<&'static str> {
    if !text.contains(MARK) {
        return None;
    }
    ALL.into_iter().find(|canary| text.contains(canary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_canary_is_found_by_its_mark_and_told_from_the_others() {
        for canary in ALL {
            assert_eq!(in_text(&format!("before {canary} after")), Some(canary));
        }
        assert_eq!(in_text("nothing sings here"), None);
    }
}
