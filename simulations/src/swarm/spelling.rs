//! Ways to write one and the same repository.

use crate::rng::Rng;

/// Another way to write a repository, or the same.
pub(super) fn repository(gun: &str, rng: &mut Rng) -> String {
    let Some((host, path)) = gun.split_once('/') else { return gun.to_owned() };
    let choice = rng.below(5);
    if host == "docker.io" {
        let short = path.strip_prefix("library/").filter(|rest| !rest.contains('/'));
        return match choice {
            0 => path.to_owned(),
            1 => short.unwrap_or(path).to_owned(),
            2 => format!("index.docker.io/{path}"),
            3 => format!("docker.io/{}", short.unwrap_or(path)),
            _ => gun.to_owned(),
        };
    }
    match choice {
        0 => format!("{}/{path}", host.to_ascii_uppercase()),
        1 if !host.contains(':') => format!("{host}:443/{path}"),
        2 if !host.contains(':') => format!("{host}./{path}"),
        _ => gun.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::reference::ImageReference;

    use super::*;
    use crate::rng::Streams;

    #[test]
    fn every_spelling_names_the_same_repository() {
        let mut rng = Streams::new(3).stream("spelling");
        for gun in ["docker.io/library/app1", "docker.io/team/app", "registry0.example/team/app"] {
            let mut ways = std::collections::BTreeSet::new();
            for _ in 0..100 {
                let way = repository(gun, &mut rng);
                let parsed: Result<ImageReference, _> = way.parse();
                assert_eq!(parsed.map(|it| it.gun()).ok().as_deref(), Some(gun), "{way}");
                ways.insert(way);
            }
            assert!(ways.len() > 2, "{ways:?}");
        }
    }
}
