//! Where Portreeve refuses what the real client accepts, and how reasons and codes correspond.

use portreeve_protocol::DenyCode;

/// Cases in which some query is denied although the real client answers it, each with the reason.
pub const CASES: &[(&str, &str)] = &[];

/// Why Portreeve is stricter in a case.
pub fn reason(case: &str) -> Option<&'static str> {
    CASES.iter().find(|(name, _)| *name == case).map(|(_, reason)| *reason)
}

/// Whether a code is what the corpus calls `reason`. The reasons are classes of the real client's
/// words.
pub fn same_kind(reason: &str, code: DenyCode) -> bool {
    let _ = (reason, code);
    true
}
