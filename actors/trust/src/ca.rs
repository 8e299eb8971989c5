//! Whether an authority issued a certificate (Notary `trustpinning/trustpin.go:caCheck`, which uses
//! Go's verifier with its default purpose, server authentication).

use portreeve_protocol::Wall;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate::Certificate;
use crate::pem;

/// Certificates in one chain, leaf and authority included.
const DEPTH: usize = 8;

/// Extensions that this check understands, should they be critical: basic constraints, key usage,
/// extended key usage, and alternative names, which play no part.
const UNDERSTOOD: [&str; 4] = ["2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17"];

/// Whether the leaf of `chain` was issued by one of the authorities in `authorities`, directly or
/// by way of the other certificates of `chain`, all being valid at `now` and for server
/// authentication.
pub(crate) fn issued(authorities: &str, chain: &[Certificate], now: Wall) -> bool {
    let Ok(blocks) = pem::blocks(authorities) else { return false };
    let roots: Vec<_> =
        blocks.iter().filter_map(|block| Certificate::read(&block.content).ok()).collect();
    let [leaf, intermediates @ ..] = chain else { return false };
    if !sound(leaf, now) {
        return false;
    }
    // Breadth first, each intermediate once, at its shortest distance from the leaf.
    let mut unused: Vec<_> = intermediates.iter().filter(|one| sound(one, now)).collect();
    let mut reached = vec![leaf];
    for below in 0..DEPTH - 1 {
        let issuer_of_reached = |issuer: &Certificate| {
            may_issue(issuer, below) && reached.iter().any(|one| signs(issuer, one))
        };
        if roots.iter().any(|root| sound(root, now) && issuer_of_reached(root)) {
            return true;
        }
        let (next, rest) = unused.into_iter().partition(|one| issuer_of_reached(one));
        (reached, unused) = (next, rest);
    }
    false
}

/// Whether nothing but its issuer speaks against a certificate of the chain.
fn sound(certificate: &Certificate, now: Wall) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(&certificate.der) else { return false };
    let understood = parsed.extensions().iter().all(|extension| {
        !extension.critical || UNDERSTOOD.contains(&extension.oid.to_id_string().as_str())
    });
    let purpose = match parsed.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
        Err(_) => false,
    };
    understood && purpose && certificate.unfit().is_none() && certificate.in_date(now)
}

/// Whether `issuer` may have a certificate with `below` authorities between it and the leaf.
fn may_issue(issuer: &Certificate, below: usize) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(&issuer.der) else { return false };
    let usage =
        parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    let length = parsed.basic_constraints().is_ok_and(|constraints| {
        let limit = constraints.and_then(|constraints| constraints.value.path_len_constraint);
        limit.is_none_or(|limit| below as u64 <= u64::from(limit))
    });
    // The verifier of signatures goes by the curve alone; a key of another algorithm is no key.
    issuer.ca && issuer.public.is_ok() && usage && length
}

/// Whether `issuer` has the name and the key that `certificate` was signed with.
fn signs(issuer: &Certificate, certificate: &Certificate) -> bool {
    let (Ok((_, issuer)), Ok((_, certificate))) =
        (X509Certificate::from_der(&issuer.der), X509Certificate::from_der(&certificate.der))
    else {
        return false;
    };
    issuer.subject().as_raw() == certificate.issuer().as_raw()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}
