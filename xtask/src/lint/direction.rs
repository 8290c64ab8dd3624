//! Which crate may depend on which: design and reasons are in ARCHITECTURE.md.
//!
//! ```text
//! apps -> forebay -> { pool, flow, priority, store, nats, monitor } -> forebay-queue
//! ```
//!
//! The crates in braces meet through the traits of forebay-queue and never know each other.
//! Test support (forebay-testkit) knows every library, and is known as a dev-dependency only.

use crate::workspace::{Metadata, Package};

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// forebay-queue: the traits that the others meet through.
    Core,
    /// A layer crate.
    Part,
    Facade,
    Testkit,
    App,
    /// forebay-program: what programs share towards a person; nothing of the libraries.
    Program,
    /// forebay-program-testkit: starts programs, and knows nothing of how they are made.
    ProgramTestkit,
    /// xtask, which must build even when no other crate does.
    Automation,
    /// forebay-tests, which sees whole pipelines.
    Tests,
}

// === impl Place ===

impl Place {
    fn of(package: &Package) -> Option<Self> {
        let group = package.folder().parent()?.file_name()?.to_str()?;
        Some(match package.name.as_str() {
            "forebay-queue" => Self::Core,
            "forebay" => Self::Facade,
            "forebay-testkit" => Self::Testkit,
            "forebay-tests" => Self::Tests,
            "forebay-program" => Self::Program,
            "forebay-program-testkit" => Self::ProgramTestkit,
            "xtask" => Self::Automation,
            "forebay-pool" | "forebay-flow" | "forebay-priority" | "forebay-store" | "forebay-nats"
            | "forebay-monitor" => Self::Part,
            _ if group == "apps" => Self::App,
            _ => return None,
        })
    }

    fn may_use(self, other: Self) -> bool {
        use Place::{App, Automation, Core, Facade, Part, Program, ProgramTestkit, Testkit, Tests};
        match self {
            Core | Automation | Program | ProgramTestkit => false,
            Part => other == Core,
            Facade | Testkit => matches!(other, Core | Part),
            App => matches!(other, Facade | Program),
            Tests => other != Automation,
        }
    }

    fn may_use_in_tests(self, other: Self) -> bool {
        let is_testkit = match other {
            Self::Testkit => self != Self::Automation,
            Self::ProgramTestkit => self == Self::App,
            _ => false,
        };
        is_testkit || self.may_use(other)
    }
}

/// Every edge between members that the picture above does not have.
pub(super) fn problems(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let Some(place) = Place::of(package) else {
            problems.push(format!(
                "{} has no place in the dependency direction: give it one in xtask/src/lint/direction.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let member = metadata.packages.iter().find(|other| other.name == dependency.name);
            // An unknown member is reported once, above, and not once for each of its users.
            let Some(other) = member.and_then(Place::of) else { continue };
            let is_dev = dependency.kind.as_deref() == Some("dev");
            let allowed = if is_dev { place.may_use_in_tests(other) } else { place.may_use(other) };
            if !allowed {
                let kind = if is_dev { " in its tests" } else { "" };
                problems.push(format!(
                    "{} must not depend on {}{kind}: dependencies point apps -> forebay -> parts -> forebay-queue",
                    package.name, dependency.name
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of the named members, with edges as (from, to, kind).
    fn workspace(members: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Metadata {
        let packages = members.iter().map(|folder| {
            let name = folder.rsplit('/').next().unwrap();
            let dependencies = edges
                .iter()
                .filter(|(from, ..)| *from == name)
                .map(|(_, to, kind)| serde_json::json!({ "name": to, "kind": kind }));
            serde_json::json!({
                "name": name,
                "manifest_path": format!("/w/{folder}/Cargo.toml"),
                "features": {},
                "dependencies": dependencies.collect::<Vec<_>>(),
            })
        });
        let json =
            serde_json::json!({ "packages": packages.collect::<Vec<_>>(), "target_directory": "/w/target" });
        Metadata::parse(&json.to_string()).unwrap()
    }

    const MEMBERS: &[&str] = &[
        "crates/forebay-queue",
        "crates/forebay-pool",
        "crates/forebay-flow",
        "crates/forebay-testkit",
        "crates/forebay",
        "apps/log-processor",
        "apps/api-client",
        "apps/forebay-program",
        "apps/forebay-program-testkit",
        "xtask",
    ];

    #[test]
    fn the_picture_is_allowed() {
        let edges = [
            ("log-processor", "forebay", None),
            ("log-processor", "forebay-program", None),
            ("log-processor", "forebay-program-testkit", Some("dev")),
            ("forebay", "forebay-pool", None),
            ("forebay-pool", "forebay-queue", None),
            ("forebay-pool", "forebay-testkit", Some("dev")),
            ("forebay-testkit", "forebay-queue", None),
            ("forebay-queue", "forebay-testkit", Some("dev")),
            ("forebay-queue", "tokio", None),
        ];
        assert_eq!(problems(&workspace(MEMBERS, &edges)), Vec::<String>::new());
    }

    #[test]
    fn every_other_edge_is_refused() {
        let forbidden = [
            ("forebay-queue", "forebay-pool", None),
            ("forebay-pool", "forebay-flow", None),
            ("forebay-pool", "forebay-flow", Some("dev")),
            ("forebay-pool", "forebay-testkit", None),
            ("forebay-pool", "forebay", None),
            ("forebay", "log-processor", Some("dev")),
            ("log-processor", "forebay-queue", None),
            ("log-processor", "api-client", None),
            ("forebay-pool", "forebay-program-testkit", Some("dev")),
            ("log-processor", "forebay-program-testkit", None),
            ("xtask", "forebay", None),
            ("xtask", "forebay-testkit", Some("dev")),
        ];
        for edge @ (from, to, _) in forbidden {
            let problems = problems(&workspace(MEMBERS, &[edge]));
            assert!(
                matches!(problems.as_slice(), [one] if one.starts_with(&format!("{from} must not depend on {to}"))),
                "{edge:?}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_new_crate_must_be_given_a_place() {
        let problems = problems(&workspace(&["crates/forebay-queue", "crates/forebay-new"], &[]));
        assert!(problems[0].starts_with("forebay-new has no place"), "{problems:?}");
    }
}
