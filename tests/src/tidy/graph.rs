//! Who depends on whom, as `cargo metadata` resolves it for this machine: manifests guard purity.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::TestError;

/// How one package depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// For what it builds.
    Normal,
    /// For its build script.
    Build,
    /// For its tests.
    Dev,
}

/// The resolved graph, by package name.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Package name to the packages it depends on directly.
    pub edges: BTreeMap<String, BTreeSet<(String, Kind)>>,
    /// The packages of the workspace.
    pub members: BTreeSet<String>,
}

/// What each package of the workspace may depend on of the workspace, its tests apart. Whoever adds
/// an edge has to add it here, and so to look at the direction.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("portreeve-protocol", &[]),
    ("portreeve-trust", &["portreeve-protocol"]),
    ("portreeve-machines", &["portreeve-protocol", "portreeve-trust"]),
    ("portreeve-bundle", &["portreeve-protocol", "portreeve-trust"]),
    ("portreeve-replay", &["portreeve-protocol", "portreeve-trust", "portreeve-machines"]),
    ("portreeve-lab", &["portreeve-protocol", "portreeve-trust"]),
    (
        "portreeve-simulations",
        &[
            "portreeve-protocol",
            "portreeve-trust",
            "portreeve-machines",
            "portreeve-lab",
            "portreeve-replay",
        ],
    ),
    (
        "portreeve-host",
        &[
            "portreeve-protocol",
            "portreeve-trust",
            "portreeve-machines",
            "portreeve-bundle",
            "portreeve-replay",
        ],
    ),
    (
        "portreeve",
        &[
            "portreeve-protocol",
            "portreeve-trust",
            "portreeve-machines",
            "portreeve-bundle",
            "portreeve-replay",
            "portreeve-lab",
            "portreeve-host",
        ],
    ),
    ("portreeve-bench", &["portreeve-protocol", "portreeve-lab", "portreeve"]),
];

/// Packages that only one of ours may depend on directly, and which.
pub const KEPT: &[(&str, &str)] = &[
    ("actix", "portreeve-host"),
    ("dashmap", "portreeve-host"),
    ("kube", "portreeve-host"),
    ("k8s-openapi", "portreeve-host"),
    ("tough", "portreeve-bundle"),
];

/// Packages that a pure crate never reaches: runtimes, networks, shared maps.
pub const SIDE_EFFECTS: &[&str] =
    &["tokio", "actix", "kube", "hyper", "dashmap", "notify", "rand", "portreeve-host"];

/// Packages that nothing may be built with: one provider of cryptography, and that is aws-lc-rs.
pub const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls"];

/// The graph of the workspace at `root`, for the machine this runs on; nothing is downloaded.
///
/// # Errors
/// `Metadata` if cargo fails or says something unexpected.
pub fn resolve(root: &Path) -> Result<Graph, TestError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &host()?])
        .current_dir(root)
        .output()
        .map_err(|error| TestError::Metadata(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(TestError::Metadata(said));
    }
    let metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| TestError::Metadata(error.to_string()))?;
    Graph::read(&metadata)
}

/// The names of all packages that are built for the workspace and its tests on this machine. This
/// asks `cargo tree`, since `cargo metadata` also follows optional dependencies that no feature
/// turns on.
///
/// # Errors
/// `Metadata` if cargo fails.
pub fn built(root: &Path) -> Result<BTreeSet<String>, TestError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--workspace", "--prefix", "none", "--format", "{p}"])
        .args(["--edges", "normal,build,dev"])
        .current_dir(root)
        .output()
        .map_err(|error| TestError::Metadata(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(TestError::Metadata(said));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// The triple of the machine this runs on.
fn host() -> Result<String, TestError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .map_err(|error| TestError::Metadata(format!("rustc -vV: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_owned).ok_or_else(|| TestError::Metadata("rustc names no host".to_owned()))
}

impl Graph {
    /// Reads the output of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// `Metadata` if members or the resolved graph are missing.
    pub fn read(metadata: &Value) -> Result<Self, TestError> {
        let list = |value: &Value, what: &str| {
            value.as_array().cloned().ok_or_else(|| TestError::Metadata(format!("no {what}")))
        };
        let mut names = BTreeMap::new();
        for package in list(&metadata["packages"], "packages")? {
            names.insert(text(&package["id"]), text(&package["name"]));
        }
        let name = |id: &Value| names.get(&text(id)).cloned().unwrap_or_default();
        let mut graph = Self::default();
        for member in list(&metadata["workspace_members"], "members")? {
            graph.members.insert(name(&member));
        }
        for node in list(&metadata["resolve"]["nodes"], "graph")? {
            // Two versions of one package count as one: what a rule says, it says of both.
            let edges = graph.edges.entry(name(&node["id"])).or_default();
            for dependency in list(&node["deps"], "dependencies")? {
                for kind in list(&dependency["dep_kinds"], "kinds of dependencies")? {
                    let kind = match kind["kind"].as_str() {
                        Some("dev") => Kind::Dev,
                        Some("build") => Kind::Build,
                        _ => Kind::Normal,
                    };
                    edges.insert((name(&dependency["pkg"]), kind));
                }
            }
        }
        Ok(graph)
    }

    /// The packages `package` depends on directly, in any of `kinds`.
    pub fn direct<'a>(
        &'a self,
        package: &str,
        kinds: &'a [Kind],
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        let edges = self.edges.get(package).into_iter().flatten();
        edges.filter(|(_, kind)| kinds.contains(kind)).map(|(name, _)| name.as_str())
    }

    /// A path from `package` to `wanted` over what is built for it, its tests apart; packages in
    /// `not_over` are not passed through.
    #[must_use]
    pub fn path(&self, package: &str, wanted: &str, not_over: &[&str]) -> Option<Vec<String>> {
        let mut seen = BTreeSet::from([package.to_owned()]);
        let mut pending = vec![vec![package.to_owned()]];
        while let Some(path) = pending.pop() {
            let last = path.last().cloned().unwrap_or_default();
            if last == wanted {
                return Some(path);
            }
            for next in self.direct(&last, &[Kind::Normal, Kind::Build]) {
                if !not_over.contains(&next) && seen.insert(next.to_owned()) {
                    let longer = path.iter().cloned().chain([next.to_owned()]).collect();
                    pending.push(longer);
                }
            }
        }
        None
    }

    /// Edges between packages of the workspace that [`LAYERS`] does not list.
    #[must_use]
    pub fn wrong_direction(&self, layers: &[(&str, &[&str])]) -> Vec<String> {
        let mut found = Vec::new();
        for (package, allowed) in layers {
            for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
                // Tests may use the lab's keys and the simulator's worlds, but never a layer above.
                let for_tests = ["portreeve-lab", "portreeve-simulations"];
                let in_tests = |name: &str| kind == Kind::Dev && for_tests.contains(&name);
                let inner = self.direct(package, std::slice::from_ref(&kind));
                let inner = inner.filter(|name| self.members.contains(*name));
                let wrong = inner.filter(|name| !allowed.contains(name) && !in_tests(name));
                found.extend(wrong.map(|name| format!("{package} -> {name} ({kind:?})")));
            }
        }
        found
    }

    /// Members other than the keeper that depend on a package of [`KEPT`] directly, tests apart.
    #[must_use]
    pub fn unkept(&self, kept: &[(&str, &str)]) -> Vec<String> {
        let mut found = Vec::new();
        for member in self.members.iter().filter(|member| *member != "portreeve-tests") {
            for (package, keeper) in kept.iter().filter(|(_, keeper)| keeper != member) {
                let kinds = [Kind::Normal, Kind::Build, Kind::Dev];
                if self.direct(member, &kinds).any(|name| name == *package) {
                    found.push(format!("{member} -> {package}, which is for {keeper} alone"));
                }
            }
        }
        found
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, Kind)], members: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for (from, to, kind) in edges {
            graph.edges.entry((*from).to_owned()).or_default().insert(((*to).to_owned(), *kind));
        }
        graph.members = members.iter().map(|name| (*name).to_owned()).collect();
        graph
    }

    #[test]
    fn a_path_is_found_over_what_is_built_and_not_over_tests() {
        let graph = graph(
            &[("a", "b", Kind::Normal), ("b", "c", Kind::Build), ("c", "d", Kind::Dev)],
            &["a"],
        );
        let path = graph.path("a", "c", &[]);
        assert_eq!(path, Some(["a", "b", "c"].map(str::to_owned).to_vec()));
        assert_eq!(graph.path("a", "d", &[]), None);
        assert_eq!(graph.path("a", "c", &["b"]), None);
    }

    #[test]
    fn an_edge_against_the_direction_is_reported_for_tests_too() {
        let members = ["portreeve-host", "portreeve-machines"];
        let layers: &[(&str, &[&str])] = &[("portreeve-machines", &[])];
        for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
            let graph = graph(&[("portreeve-machines", "portreeve-host", kind)], &members);
            assert_eq!(graph.wrong_direction(layers).len(), 1, "{kind:?}");
        }
    }

    #[test]
    fn a_package_kept_for_another_crate_is_reported() {
        let graph =
            graph(&[("a", "tough", Kind::Normal), ("b", "tough", Kind::Normal)], &["a", "b"]);
        assert_eq!(graph.unkept(&[("tough", "b")]).len(), 1);
    }
}
