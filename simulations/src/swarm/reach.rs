//! Which codes of denial the simulator is able to reach.

use portreeve_protocol::DenyCode;

/// The codes that no simulated run can give, and why.
pub const HOST_ONLY: &[(DenyCode, &str)] = &[
    (DenyCode::ApiServer, "the host gives it for an owner it cannot see, which denies nothing"),
    (DenyCode::StateSpoilt, "`portreeve check` gives it for the directory it keeps trust in"),
];

/// The codes that simulated runs can give, in the order of the table.
pub fn reachable() -> impl Iterator<Item = DenyCode> {
    let host_only = |code: &DenyCode| HOST_ONLY.iter().any(|(known, _)| known == code);
    DenyCode::ALL.iter().copied().filter(move |code| !host_only(code))
}
