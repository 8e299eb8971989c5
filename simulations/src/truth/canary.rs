//! Texts that are planted where nothing may be repeated from: if one of them turns up in what a
//! replica writes or says, it has repeated what it must not. Machines never see a secret; what they
//! do see and must not repeat is what trust servers send.

use portreeve_protocol::planted;

/// What all of them begin with, so that one search finds any.
pub const MARK: &str = "planted-canary-";
/// In documents that trust servers send.
pub const DOCUMENT: &str = "planted-canary-d0c5";
/// What a planted bug puts into messages.
pub const MESSAGE: &str = planted::CANARY;

/// All of them.
pub const ALL: [&str; 2] = [DOCUMENT, MESSAGE];

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
            assert!(canary.starts_with(MARK));
            assert_eq!(in_text(&format!("before {canary} after")), Some(canary));
        }
        assert_eq!(in_text("nothing sings here"), None);
    }
}
